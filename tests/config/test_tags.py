from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django import forms
from django.conf import settings
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import timezone

from accounts.formats import DASH
from config.templatetags.deskhand import STATUS, progress
from config.ui import icons
from tasks.models import RunStatus

NASTY = "\"'><script>alert(1)</script>"


def render(text: str, **context: object) -> str:
    return Template(text).render(Context(context)).strip()


def test_every_status_has_a_badge():
    assert set(STATUS) == set(RunStatus.values)


def test_amber_is_for_people():
    assert "badge-human" in render("{% status 'waiting' 'question' %}")
    assert "badge-human" not in render("{% status 'waiting' 'timer' %}")
    assert "Needs you" in render("{% status 'waiting' 'approval' %}")


@pytest.mark.parametrize(("days", "is_told"), [(6, True), (8, False)])
def test_how_far_off_it_is_is_told_within_a_week(days, is_told):
    html = render("{% due at %}", at=timezone.now() + timedelta(days=days, minutes=1))

    assert html.count("<time ") == 1 + is_told
    assert (f"in {days} days" in html) is is_told


@pytest.mark.parametrize(
    "text",
    [
        "{% tile x %}",
        "{% avatar x %}",
        "{% copy_id bad bad %}",
        "{% meter 1 2 bad %}",
        "{% segs bad bad %}",
        "{% icon bad bad %}",
        "{{ bad|markdown }}",
        "{{ bad|plain }}",
    ],
)
def test_what_data_says_is_text(text):
    agent = SimpleNamespace(hue=NASTY, icon=NASTY, initials=NASTY)

    html = render(text, x=agent, bad=NASTY)

    assert "<script" not in html
    assert "'>" not in html


@pytest.mark.parametrize(
    ("used", "limit", "tone"),
    [(79, 100, 'class="meter"'), (80, 100, "meter-warn"), (100, 100, "meter-over"), (250, 100, "meter-over")],
)
def test_a_meter_warns_from_80_percent(used, limit, tone):
    assert tone in render("{% meter used limit 'Spend' %}", used=used, limit=limit)


def test_a_meter_without_a_limit_is_empty():
    html = render("{% meter 5 limit 'Spend' %}", limit=None)

    assert 'value="0"' in html
    assert 'max="1"' in html


def test_when_shows_both_times():
    at = timezone.now() - timedelta(minutes=5)

    html = render("{% when at %}", at=at)

    assert f'datetime="{at.isoformat()}"' in html
    assert html.endswith("data-when>5 min ago</time>")
    assert render("{% when at %}", at=None) == DASH


def test_query_keeps_the_other_filters():
    request = RequestFactory().get("/?status=failed&page=3")

    assert render("{% query status='running' page='' %}", request=request) == "?status=running"
    assert render("{% query status='' page='' %}", request=request) == "?"


class LetterForm(forms.Form):
    name = forms.CharField(help_text="Shown to your team")
    note = forms.CharField(widget=forms.Textarea, required=False)
    urgent = forms.BooleanField(required=False, label="It is urgent")
    kind = forms.ChoiceField(choices=[("a", "A"), ("b", "B")], widget=forms.RadioSelect)


def test_a_field_is_wired_for_screen_readers():
    form = LetterForm({"name": "", "kind": "c"})

    html = render("{% field form.name %}{% field form.note %}{% field form.urgent %}{% field form.kind %}", form=form)

    assert '<label class="label" for="id_name">Name</label>' in html
    assert 'aria-describedby="id_name-hint id_name-error"' in html
    assert 'aria-invalid="true"' in html
    assert 'id="id_name-hint">Shown to your team</p>' in html
    assert 'id="id_name-error"' in html
    assert "This field is required." in html
    assert 'class="textarea"' in html
    assert '<label class="check" for="id_urgent">' in html
    assert '<legend class="label mb-1.5">Kind</legend>' in html
    assert "Select a valid choice" in html


def test_a_field_may_be_disabled_and_carry_units():
    html = render("{% field form.name prefix='$' suffix='a month' disabled=True %}", form=LetterForm())

    assert '<span class="affix">$</span>' in html
    assert " disabled" in html


def test_every_icon_that_a_page_names_is_drawn():
    named: set[str] = set()
    for page in settings.BASE_DIR.rglob("*.html"):
        if ".venv" not in page.parts:
            named |= set(re.findall(r"""{% icon ["']([a-z0-9-]+)["']""", page.read_text()))

    assert named - icons.names() == set()
    assert len(named) > 20


def test_no_template_needs_a_hole_in_the_content_policy():
    templates = Path(settings.BASE_DIR / "templates")
    for page in set(templates.rglob("*.html")) - set(
        (templates / "mail").rglob("*.html")
    ):  # mails have no content policy
        text = page.read_text()
        assert re.search(r"\sstyle=|<style|\son[a-z]+=|<script(?![^>]* src=)|hx-on|javascript:", text) is None, page
        assert re.search(r"""(?:src|href)=["']https?://""", text) is None, page


def test_progress_has_no_tone_at_any_share():
    assert progress(5, 6) == '<progress class="meter" value="5" max="6" aria-label="Progress"></progress>'
