from __future__ import annotations

import gzip

import pytest

from archwright.data import LoadOptions, check, load
from archwright.data.delimited import read_delimited
from archwright.errors import DataError, UnknownNameError


@pytest.fixture
def write(tmp_path):
    def writer(text, name="people.csv", encoding="utf-8"):
        path = tmp_path / name
        data = text if isinstance(text, bytes) else text.encode(encoding)
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return writer


def rows(count=20, first="age,size,label\n", separator=",", change=None):
    """Numbers in two columns and two classes, with some cells changed: {(row, column): text}."""
    cells = [[str(i), str(i % 7), "xy"[i % 2]] for i in range(count)]
    for (row, column), text in (change or {}).items():
        cells[row][column] = text
    return first + "".join(separator.join(line) + "\n" for line in cells)


def read(path, **options):
    problems = []
    found = read_delimited(path, LoadOptions(**options), problems)
    assert problems == []
    return found


def only(path, **options):
    problems = check(path, **options)
    assert len(problems) == 1, problems
    return str(problems[0])


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_delimiter_is_found(write, separator):
    header = separator.join(("age", "size", "label")) + "\n"
    found = read(write(rows(first=header, separator=separator)))
    assert list(found.frame.columns) == ["age", "size", "label"]
    assert found.frame["age"].tolist() == list(range(20))


def test_delimiter_is_found_beside_commas_in_text(write):
    lines = [f"{i};one, two, and {'more' * (i % 3)};{'xy'[i % 2]}" for i in range(20)]
    assert read(write("\n".join(lines))).frame.shape == (20, 3)


def test_tab_separates_a_tsv_file(write):
    assert read(write("a,b\tc\n1,2\t3\n4,5\t6\n", "people.tsv")).frame.shape == (2, 2)


def test_gzip_is_read(write):
    assert read(write(rows(), "people.csv.gz")).frame.shape == (20, 3)


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("7,0.27,6\n6.3,0.3,6\n", False),
        ("39, State-gov, <=50K\n50, Private, >50K\n", False),
        ("age,job\n39,clerk\n40,cook\n", True),
        ("colour,taste\nred,sweet\ngreen,sour\nred,sour\n", True),
        ("red,sweet\ngreen,sour\nred,sour\n", False),
        ('"Date","Temp"\n"1981-01-01",20.7\n', True),
        ("?,sweet\n1,sour\n2,sour\n", False),
        ("preis;menge\n1,5;3\n2,5;4\n", True),
    ],
)
def test_header_is_found(write, text, header):
    assert read(write(text)).header is header


def test_header_can_be_stated(write):
    text = "1,2\n3,4\n5,6\n"
    assert list(read(write(text), header=True).frame.columns) == ["1", "2"]
    assert list(read(write(text), header=False).frame.columns) == ["0", "1"]


def test_windows_and_old_mac_line_ends(write):
    assert read(write(rows().replace("\n", "\r\n"))).frame.shape == (20, 3)
    assert read(write(rows().replace("\n", "\r"))).frame.shape == (20, 3)


def test_quoted_line_ends_and_blank_lines_keep_line_numbers(write):
    text = 'age,"two\nlines",label\n\n' + rows(10, first="", change={(4, 0): "oops"})
    assert "people.csv, line 8, column 'age': 'oops' is not a number" in only(write(text))


def test_unnamed_row_numbers_are_left_out(write):
    found = read(write(rows(first=",size,label\n")))
    assert list(found.frame.columns) == ["size", "label"]
    assert "left out column 0, which has no name and holds row numbers" in found.notes


def test_lines_of_blanks_are_passed_over(write):
    text = rows(10) + "   \n\n" + rows(10, first="", change={(4, 0): "oops"})
    assert "line 18, column 'age': 'oops' is not a number" in only(write(text))


def test_decimal_comma_is_found(write):
    text = "a;label\n" + "".join(f"{i},5;{'xy'[i % 2]}\n" for i in range(20))
    assert read(write(text)).frame["a"].tolist()[:2] == [0.5, 1.5]


@pytest.mark.parametrize("marker", ["", "?", " ?", "? ", "NA", "n/a", "NaN", "null", "None", "-"])
def test_missing_markers_in_numbers(write, marker):
    dataset = load(write(rows(change={(3, 0): marker, (4, 0): marker})), target="label")
    assert "age (missing)" in dataset.preprocessing.inputs.feature_names


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_mark_is_understood(write, encoding):
    path = write(rows(first="äge,size,label\n"), encoding=encoding)
    assert read(path).frame.columns[0] == "äge"
    stated = "utf-8" if "8" in encoding else None
    assert read(path, encoding=stated).frame.columns[0] == "äge"


def test_stated_encoding(write):
    path = write(rows(first="äge,size,label\n"), encoding="cp1252")
    assert read(path, encoding="cp1252").frame.columns[0] == "äge"


def test_wrong_encoding_names_the_byte(write):
    path = write(rows(change={(2, 2): "é"}), encoding="latin-1")
    offset = path.read_bytes().index(b"\xe9")
    message = only(path)
    assert f"people.csv, line 4, byte offset {offset}: byte 0xe9 is not utf-8" in message
    assert "pass its encoding, such as encoding='cp1252'" in message


def test_unknown_encoding(write):
    with pytest.raises(UnknownNameError, match=r"text encoding 'utf9' \(did you mean 'utf-8'\?\)"):
        load(write(rows()), encoding="utf9")


def test_ragged_lines_are_all_named(write):
    text = rows(12) + "1,2\n1,2,x,4\n"
    found = [str(problem) for problem in check(write(text))]
    assert "people.csv, line 14: has 2 fields, the other lines have 3" in found[0]
    assert "people.csv, line 15: has 4 fields, the other lines have 3" in found[1]
    assert "correct the line, and quote fields that contain ','" in found[0]
    assert len(found) == 2


def test_many_ragged_lines_are_counted(write):
    found = check(write(rows(40) + "1,2\n" * 15))
    assert len(found) == 11
    assert "5 more lines do not have 3 fields" in str(found[-1])


def test_lines_after_a_ragged_one_keep_their_numbers(write):
    text = "a,b,label\n1,2\n" + rows(20, first="", change={(5, 0): "oops"})
    assert any("line 8, column 'a': 'oops'" in str(problem) for problem in check(write(text)))


def test_unclosed_quote(write):
    found = check(write('a,b,label\n1,"two,x\n' + rows(5, first="")))
    assert "line 2: a quote is opened and never closed; close it" in str(found[0])


@pytest.mark.parametrize("text", ["", "  \n\n"])
def test_empty_file(write, text):
    assert "people.csv: the file is empty" in only(write(text))


def test_header_without_rows(write):
    assert "people.csv: there are no rows" in only(write("age,size,label\n"))


def test_zero_bytes(write):
    assert "character 1: is a zero byte; give a text file" in only(write(b"a\0,\0b\0\n\0"))


def test_broken_gzip(tmp_path):
    path = tmp_path / "people.csv.gz"
    path.write_bytes(gzip.compress(rows().encode())[:-9])
    assert "people.csv.gz: is not a whole gzip file" in only(path)
    path.write_bytes(b"a,b\n1,2\n")
    assert "people.csv.gz: is not a whole gzip file" in only(path)


def test_columns_of_one_name(write):
    found = [str(problem) for problem in check(write(rows(first="age,age,label\n")))]
    assert "line 1: 2 columns are called 'age' (positions 0, 1)" in found[0]


def test_every_kind_of_problem_at_once(write):
    change = {(5, 0): "abc", (3, 1): "inf", (2, 2): ""}
    text = rows(change=change).replace("label", "all,label").replace(",x\n", ",?,x\n")
    text = text.replace(",y\n", ",?,y\n").replace(",\n", ",?,\n") + "1,2\n"
    path = write(text)
    found = "\n".join(str(problem) for problem in check(path))
    for part in (
        "line 22: has 2 fields, the other lines have 4",
        "line 7, column 'age': 'abc' is not a number",
        "line 5, column 'size': inf is not a finite number",
        "column 'all': every value is missing",
        "column 'label': 1 label is missing (line 4)",
    ):
        assert part in found
    with pytest.raises(
        DataError, match=r"line 22: has 2 fields.*\(and 4 more problems\)"
    ) as raised:
        load(path)
    assert raised.value.problems == tuple(found.split("\n"))


def test_checking_writes_nothing(write, tmp_path):
    path = write(rows())
    check(path)
    load(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["people.csv"]


def test_unclosed_quote_in_the_last_line(write):
    assert "line 22: a quote is opened and never closed" in only(write(rows() + '9,9,"y\n'))


def test_quotes_inside_of_text_are_no_problem(write):
    dataset = load(write(rows(change={(3, 1): '"4"', (5, 1): '4"'})), categorical="size")
    assert dataset.task.outputs == 2
