"""Tool that asks a person. The engine carries it out: the run waits without a worker until somebody answers."""

from __future__ import annotations

from tools.spec import Effect, Policy, ToolSpec
from tools.text import shorten

SPEC = ToolSpec(
    name="ask_human",
    title="Ask a person",
    description=(
        "Ask the person one question and wait for the answer. Use it when the task is ambiguous and a wrong guess "
        "would waste the work, not for what you can find out yourself. Say in `why` what the answer changes. Offer "
        "`choices` whenever the answer is one of a few. The wait can take hours, so ask early, once, and everything "
        "that matters."
    ),
    icon="circle-question-mark",
    input_schema={
        "type": "object",
        "properties": {
            "question": {"type": "string", "minLength": 1, "maxLength": 1000, "description": "One plain question"},
            "why": {"type": "string", "maxLength": 1000, "description": "What depends on the answer"},
            "choices": {
                "type": "array",
                "minItems": 2,
                "maxItems": 8,
                "uniqueItems": True,
                "items": {"type": "string", "minLength": 1, "maxLength": 200},
                "description": "The possible answers; the person picks one",
            },
            "default": {"type": "string", "maxLength": 200, "description": "What you would take if left the choice"},
            "schema": {"type": "object", "description": "JSON Schema of the answer, if it must have a certain form"},
        },
        "required": ["question"],
        "additionalProperties": False,
    },
    effect=Effect.READ_ONLY,
    default_policy=Policy.ALLOW,
    timeout_s=30,
    max_output_chars=10_000,
    run=None,
    uses_workspace=False,
    headline=lambda arguments: f"Ask: {shorten(str(arguments.get('question', '')), 120)}",
)
