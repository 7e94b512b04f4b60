"""Open questions inside an ordinary `nn.Module`: a search space without a second description.

    class Net(torch.nn.Module):
        def __init__(self, input_shape, outputs):
            super().__init__()
            width = aw.nn.integer("width", 16, 128, step=16)
            self.flatten = torch.nn.Flatten()
            self.hidden = torch.nn.Linear(math.prod(input_shape), width)
            self.activation = aw.nn.Choice(relu=torch.nn.ReLU, gelu=torch.nn.GELU)
            self.head = torch.nn.Linear(width, outputs)

        def forward(self, x):
            return self.head(self.activation(self.hidden(self.flatten(x))))

    space = aw.space_of(Net)

Outside a search, `Net((64,), 10)` is the network of the first options.
"""

from archwright.network.choices import Choice, choice, integer, real

__all__ = ["Choice", "choice", "integer", "real"]
