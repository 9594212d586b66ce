"""List of tools in the API."""

from __future__ import annotations

from accounts.models import Team, User
from tests.calling import api_of


def test_the_tools_are_listed_with_their_schemas(team: Team, alice: User) -> None:
    tools = api_of(alice, team).get("/api/v1/tools/").json()["results"]

    by_name = {tool["name"]: tool for tool in tools}
    assert {"query_table", "ask_human", "email_report", "run_python"} <= set(by_name)
    assert by_name["email_report"]["default_policy"] == "ask"
    assert by_name["query_table"]["input_schema"]["additionalProperties"] is False
    assert set(by_name["ask_human"]) == {
        *("name", "title", "description", "icon", "input_schema", "effect", "default_policy", "timeout_s"),
    }
