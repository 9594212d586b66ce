"""Form fields as HTML: label, control, help and errors, linked for screen readers."""

from __future__ import annotations

from typing import Any

from django import forms
from django.forms import BoundField
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

_CSS: tuple[tuple[type[forms.Widget], str], ...] = (
    (forms.CheckboxSelectMultiple, ""),
    (forms.RadioSelect, ""),
    (forms.CheckboxInput, ""),
    (forms.Select, "select"),
    (forms.Textarea, "textarea"),
    (forms.FileInput, "input file"),
    (forms.widgets.Input, "input"),
)


def render(
    bound: BoundField,
    *,
    css: str = "",
    wide: bool = False,
    prefix: str = "",
    suffix: str = "",
    label: str = "",
    hint: str | None = None,
    aside: str = "",
    aside_href: str = "",
    disabled: bool = False,
    focus: bool = False,
) -> SafeString:
    """Render a field.

    `prefix` and `suffix` stand beside the control ("$", "minutes"); `aside` is a link beside the label.
    `focus` is for the first field of a page that is nothing but its form.
    """
    widget = bound.field.widget
    kind = "check" if isinstance(widget, forms.CheckboxInput) else "group" if _is_group(widget) else "control"
    hint = str(bound.help_text) if hint is None else hint
    attrs = _attributes(bound, css, bool(hint))
    if disabled:
        attrs["disabled"] = True
    if focus:
        attrs["autofocus"] = True
    context = {
        "bound": bound,
        "kind": kind,
        "label": label or bound.label,
        "hint": hint,
        "control": bound.as_widget(attrs=attrs),
        "wide": wide,
        "prefix": prefix,
        "suffix": suffix,
        "aside": aside,
        "aside_href": aside_href,
        "is_optional": not bound.field.required and kind == "control",
    }
    return SafeString(render_to_string("components/field.html", context))


def _is_group(widget: forms.Widget) -> bool:
    return isinstance(widget, forms.RadioSelect | forms.CheckboxSelectMultiple)


def _attributes(bound: BoundField, css: str, has_hint: bool) -> dict[str, Any]:
    widget = bound.field.widget
    base = next((name for kind, name in _CSS if isinstance(widget, kind)), "")
    attrs: dict[str, Any] = {}
    if classes := " ".join(part for part in (base, widget.attrs.get("class", ""), css) if part):
        attrs["class"] = classes
    described = [f"{bound.auto_id}-hint"] * has_hint + [f"{bound.auto_id}-error"] * bool(bound.errors)
    if described and not _is_group(widget):
        attrs["aria-describedby"] = " ".join(described)
    if bound.errors:
        attrs["aria-invalid"] = "true"
    if any(base.__module__.startswith("allauth.") for base in type(bound.form).__mro__):
        attrs["placeholder"] = ""  # it would repeat the label above
    return attrs
