"""Cleaning and small texts: what changes from run to run goes, the rest stays."""

from nbformat import v4

from flatminima_book.clean import clean
from flatminima_book.markdown import badge, cell, interval, list_table, number


def cleaned(*outputs, **metadata):
    """The only cell of a cleaned notebook, and the remarks."""
    code = v4.new_code_cell("1", execution_count=7, outputs=list(outputs))
    code.metadata.update(metadata)
    notebook = v4.new_notebook(cells=[code], metadata={"papermill": {"x": 1}})
    remarks = clean(notebook)
    assert "papermill" not in notebook.metadata
    return notebook.cells[0], remarks


def shown(**data):
    """A displayed output; double underscores stand for slashes."""
    mimes = {key.replace("__", "/"): value for key, value in data.items()}
    return v4.new_output("display_data", data=mimes)


def test_streams_are_joined_and_standard_error_is_a_remark():
    parts = [("stdout", "a"), ("stderr", "b"), ("stdout", "c")]
    streams = [v4.new_output("stream", name=name, text=text) for name, text in parts]
    result, remarks = cleaned(*streams)
    assert [output.text for output in result.outputs] == ["ac"]
    assert remarks == ["cell 7 wrote to standard error: b"]


def test_addresses_go_only_where_something_better_is_shown():
    address = "<Axes at 0x7f0011223344>"
    result, _ = cleaned(
        shown(text__plain=address, text__html="<p>"), shown(text__plain=address)
    )
    assert list(result.outputs[0].data) == ["text/html"]
    assert result.outputs[1].data["text/plain"] == address


def test_random_identifiers_of_styled_tables_are_numbered():
    html = '<style>#T_3fa9c_row0 {}</style><table id="T_3fa9c"><td id="T_aaaaa_row0">'
    result, _ = cleaned(shown(text__html=html))
    assert result.outputs[0].data["text/html"] == (
        '<style>#T_7n0_row0 {}</style><table id="T_7n0"><td id="T_7n1_row0">'
    )


def test_the_injected_cell_is_hidden_and_timings_go():
    result, _ = cleaned(tags=["injected-parameters"], execution={"iopub": "now"})
    assert result.id == "injected-parameters"
    assert result.metadata == {"tags": ["injected-parameters", "remove-input"]}


def test_a_written_alternative_text_is_kept():
    options = {"figure": {"caption": "Long"}, "image": {"alt": "Short"}}
    result, _ = cleaned(mystnb=options)
    assert result.metadata["mystnb"]["image"]["alt"] == "Short"


def test_a_verdict_alone_leaves_no_output():
    result, _ = cleaned(shown(**{"application__vnd.flatminima.claim+json": {}}))
    assert result.outputs == []


def test_numbers_intervals_and_badges_read_well():
    assert number(0.123456) == "0.123"
    assert number(100) == "100"
    assert interval(0.5, None) == "[0.5, …]"
    assert interval(None, None) == ""
    assert badge("not testable") == "[– not testable]{.verdict .verdict-not-testable}"


def test_a_table_cell_is_never_read_as_a_list():
    assert cell("- a\n  b") == "\\- a b"
    assert cell("-1") == "-1"
    assert cell("") == ""
    table = list_table(["", "A"], [["x", "-"]], caption="C", name="n", kind="k")
    assert table.splitlines()[:4] == [
        "```{list-table} C",
        ":header-rows: 1",
        ":name: n",
        ":class: k",
    ]
    assert "  - \\-" in table
