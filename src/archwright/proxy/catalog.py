"""The names that users type, and the proxy behind each."""

from __future__ import annotations

from typing import Any

from archwright.errors import ProxyError
from archwright.proxy.proxy import Proxy
from archwright.registry import Registry

__all__ = ["PROXIES", "make_proxy"]

PROXIES: Registry[type[Proxy]] = Registry("proxy", group="archwright.proxies")

for _name, _target, _summary, _aliases in (
    ("az_nas", "az_nas:AZNAS", "spread and flow of the maps between blocks", ()),
    ("epe_nas", "epe_nas:EPENAS", "how alike samples of a class move the outputs", ()),
    ("fisher", "fisher:Fisher", "how much the loss depends on each channel", ()),
    ("flops", "size:FLOPs", "multiply-accumulates for one input", ("macs",)),
    ("grad_norm", "grad_norm:GradNorm", "sum of the norms of the layers' gradients", ()),
    ("gradsign", "gradsign:GradSign", "do samples pull the weights the same way", ()),
    ("grasp", "grasp:GraSP", "what each weight does to the flow of the gradient", ()),
    ("jacob_cov", "jacob_cov:JacobCov", "how differently samples move the outputs", ("jacov",)),
    ("l2_norm", "l2_norm:L2Norm", "sum of the norms of the layers' weights", ()),
    ("l_swag", "l_swag:LSWAG", "steady gradients times activation patterns", ()),
    ("logsynflow", "synflow:LogSynFlow", "synaptic flow with tamed gradients", ()),
    ("meco", "meco:MeCo", "smallest eigenvalues of the channels' correlations", ()),
    ("naswot", "naswot:NASWOT", "how differently ReLUs code the samples", ("nwot",)),
    ("near", "near:NEAR", "effective ranks of what layers put out", ()),
    ("ntk", "te_nas:NTK", "condition of the tangent kernel", ()),
    ("params", "size:Parameters", "number of parameters", ("parameters",)),
    ("plain", "plain:Plain", "sum of weight times gradient", ()),
    ("regions", "te_nas:Regions", "number of linear regions", ("linear_regions",)),
    ("snip", "snip:SNIP", "how much the loss depends on each weight", ()),
    ("swap", "swap:SWAP", "number of patterns of the units over samples", ()),
    ("synflow", "synflow:SynFlow", "what flows through the network of |weights|", ()),
    ("synflow_bn", "synflow:SynFlowBN", "the same with normalization on, for reference", ()),
    ("zen", "zen:Zen", "how much a small change of the input changes the last map", ()),
    ("zico", "zico:ZiCo", "gradients that vary little between minibatches", ()),
):
    PROXIES.register(_name, f"archwright.proxy.{_target}", summary=_summary, aliases=_aliases)


def make_proxy(proxy: str | Proxy, **options: Any) -> Proxy:
    """Build the proxy of that name with its options.

    Raises:
        UnknownNameError: If there is no such proxy, or it has no such option.
        ProxyError: If an option is out of its range, or goes with a proxy that is built already.

    Example:
        >>> make_proxy("naswot", per_bit=True).name
        'naswot'
    """
    if isinstance(proxy, str):
        return PROXIES.get(proxy).make(**options)
    if options:
        raise ProxyError(
            f"options {sorted(options)} go with a name; {proxy.name!r} is built already"
        )
    return proxy
