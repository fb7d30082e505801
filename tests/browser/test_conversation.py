"""The page of a conversation in a browser: what a person sees, and that nothing of it runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import quote

import pytest
from conditions import wait_until
from playwright.sync_api import expect

DAGS = Path(__file__).parents[1] / "airflow" / "dags" / "conversing.py"
VERSIONS = ["3.3", "3.1"]
KEY = "AQVN-browser-key"
HOSTILE = [
    "<script>window.harmed = 1</script>",
    "<img src=x onerror='window.harmed = 1'>",
    "<svg onload='window.harmed = 1'><animate onbegin='window.harmed = 1'></svg>",
    "<iframe srcdoc='<script>parent.harmed = 1</script>'></iframe>",
    "<a id=lure href='javascript:window.harmed=1'>click me</a>",
    "[click me](javascript:window.harmed=1) ![picture](https://pictures.example/pixel.png)",
    '[click me](https://a.example/"onmouseover="window.harmed=1)',
    "```\n</code></pre><script>window.harmed = 1</script>\n```",
    "</div></li></ol></main><script>window.harmed = 1</script><style>main{display:none}</style>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'><base href=https://evil.example/>",
    "שלום \u202eexe.cod\u202c 👩‍👩‍👧‍👦 مرحبا",
    "**broken [Markdown](http:// `and | more\n|--\n> - 1. \n" + "*_`" * 500,
    "word " * 100_000,
]

# As patient as the harness is with all else.
expect.set_options(timeout=30_000)

pytestmark = pytest.mark.parametrize("version", VERSIONS, scope="session")


@pytest.fixture(scope="module")
def at_work(_servers, version):
    """The server with all else that runs DAGs, which are those of the tests over HTTP."""
    server = _servers[version]
    if not server.processes.runs("scheduler"):
        (server.home / "dags").mkdir(exist_ok=True)
        shutil.copy(DAGS, server.home / "dags")
        server.start_component("scheduler", "scheduler", "--skip-serve-logs")
        server.start_component("dag-processor", "dag-processor")
        wait_until(lambda: server.get("dags")["dags"], "the DAGs are known", meanwhile=server.processes.check)
    return server


class Talk:
    """A run of the DAG ``conversing``, and what is at the emulator of it."""

    def __init__(self, server, emulator):
        self.run = server.trigger("conversing")
        self._emulator = emulator

    @property
    def conversation(self):
        return self._emulator._service.state.conversations[self.run.xcom("create")]

    def address(self, task_id="ask"):
        """The page by itself."""
        return f"/yandex-ai-studio/conversation/conversing/{quote(self.run.run_id, safe='')}/{task_id}/-1"

    def task(self, task_id="ask", tab=""):
        """The task in Airflow's own UI."""
        return f"/dags/conversing/runs/{quote(self.run.run_id, safe='')}/tasks/{task_id}/{tab}"


@pytest.fixture(scope="module")
def model(_emulator):
    """The emulator as it is kept for all tests here, which share the conversation of one run."""
    _emulator.reset()
    return _emulator


@pytest.fixture(scope="module")
def ended(at_work, model):
    """A run that has ended."""
    talk = Talk(at_work, model)
    assert talk.run.wait() == "success"
    return talk


@pytest.fixture
def talk(ended, model):
    """A run that has ended, whose conversation a test may change."""
    conversation = ended.conversation
    before = list(conversation.items)
    yield ended
    conversation.items[:] = before
    model._service.state.conversations[conversation.id] = conversation
    model._service.faults.reset()


@pytest.fixture
def watched(open_page, at_work):
    """Return a function that opens a page, and fails where anything runs or is loaded that is not ours or Airflow's."""
    seen = []

    def opened(user="admin", **options):
        page = open_page(at_work, user, **options)
        page.context.on("dialog", lambda dialog: seen.append(f"dialog {dialog.message}"))
        page.context.on("weberror", lambda error: seen.append(f"error {error.error}"))
        page.context.on("request", lambda one: None if _is_ours(one, at_work) else seen.append(f"request {one.url}"))
        page.context.on("response", lambda one: seen.append(f"key in {one.url}") if _holds_key(one) else None)
        return page

    yield opened
    assert seen == []


def _is_ours(asked, server):
    return asked.url.removeprefix("blob:").startswith(f"{server.url}/")


def _holds_key(answer):
    return "/yandex-ai-studio/" in answer.url and not 300 <= answer.status < 400 and KEY in answer.text()


def follow_the_button(page):
    """Return the page that it leads to: Airflow 3.3 opens it in its place, 3.1 in a new window."""
    button = page.locator("a[href*='/yandex-ai-studio/conversation/']")
    expect(button).to_be_visible()
    if button.get_attribute("target") != "_blank":
        button.click()
        return page
    with page.expect_popup() as opened:
        button.click()
    return opened.value


def the_frame(page):
    """Return what Airflow shows in its tab."""
    return page.frame_locator("iframe[title=Conversation]")


def test_the_tab_shows_the_conversation(watched, talk, picture, version):
    page = watched("viewer")
    page.goto(talk.task())
    page.get_by_role("link", name="Conversation").or_(page.get_by_role("tab", name="Conversation")).first.click()
    shown = the_frame(page)
    expect(shown.get_by_text("How many lamps are left?").first).to_be_visible()
    expect(shown.get_by_text(talk.conversation.id)).to_be_visible()
    expect(shown.get_by_text("completed")).to_be_visible()
    picture(page, f"conversation-tab-{version}")


def test_the_button_among_the_details_leads_to_the_page(watched, talk, picture, version):
    page = watched("viewer")
    page.goto(talk.task("create", "details"))
    expect(page.get_by_role("link", name="Conversation").first).to_be_visible()
    picture(page, f"conversation-button-{version}")
    page = follow_the_button(page)
    expect(page.get_by_role("heading", name="Conversation")).to_be_visible()
    expect(page.get_by_text("How many lamps are left?").first).to_be_visible()
    picture(page, f"conversation-{version}")
    page.get_by_role("link", name="Open").click()
    page.wait_for_url("**/tasks/create")


def test_each_mapped_and_each_failed_task_has_the_button(watched, at_work):
    page = watched()
    for dag_id, task, state in (
        ("conversing_mapped", "create/mapped/1", "success"),
        ("conversing_and_failing", "add", "failed"),
    ):
        run = at_work.trigger(dag_id)
        assert run.wait() == state
        page.goto(f"/dags/{dag_id}/runs/{quote(run.run_id, safe='')}/tasks/{task}/details")
        expect(follow_the_button(page).locator("code#conversation-id")).to_have_text(
            run.xcom("create", map_index=1 if "mapped" in task else -1)
        )


def test_a_conversation_can_be_watched_growing(watched, at_work, model, picture, version):
    model.fail("createResponse", hold="before")
    talk = Talk(at_work, model)
    try:
        wait_until(lambda: model.held, "the question is under way", meanwhile=at_work.processes.check)
        page = watched()
        page.goto(talk.task("ask", "details"))
        page = follow_the_button(page)
        expect(page.get_by_text("running", exact=True)).to_be_visible()
        expect(page.get_by_text("Lamp 29?")).to_be_visible()
        expect(page.locator("[data-role=assistant]")).to_have_count(0)
        picture(page, f"conversation-running-{version}")
    finally:
        model.release()
    assert talk.run.wait() == "success"
    page.get_by_role("link", name="Reload").click()
    expect(page.locator("[data-role=assistant]")).to_have_count(1)


@pytest.mark.parametrize("place", ["tab", "page"])
def test_nothing_that_a_model_wrote_runs(place, watched, talk, picture, version):
    talk.conversation.items[:] = [
        {"id": f"msg_{number}", "type": "message", "role": role, "content": [{"type": "output_text", "text": text}]}
        for number, text in enumerate(HOSTILE)
        for role in ("assistant",)
    ] + [{"id": "fc_1", "type": "function_call", "name": text, "arguments": text, text: text} for text in HOSTILE[:3]]
    page = watched()
    page.goto(talk.address() if place == "page" else talk.task(tab="plugin/yandex-conversation"))
    shown = page if place == "page" else the_frame(page)
    expect(shown.locator(".entry")).to_have_count(len(talk.conversation.items))
    for fold in shown.locator("details").all():
        fold.locator("summary").click()
    for lure in shown.get_by_text("click me").all():
        lure.hover()
    expect(shown.get_by_text("There is more of this text")).to_be_visible()
    frame = page.main_frame if place == "page" else next(one for one in page.frames if "/yandex-ai-studio/" in one.url)
    assert frame.evaluate("window.harmed") is None
    assert page.evaluate("window.harmed") is None
    assert (
        frame.evaluate("document.querySelectorAll('.entry :is(script, style, img, iframe, svg, form, base)').length")
        == 0
    )
    assert (
        frame.evaluate("[...document.querySelectorAll('a')].filter(one => /^javascript/i.test(one.href)).length") == 0
    )
    picture(page, f"conversation-hostile-{place}-{version}")


@pytest.mark.parametrize(
    "script",
    [
        "const a = document.createElement('script'); a.textContent = 'window.harmed = 1'; document.body.append(a)",
        "document.body.innerHTML = '<img src=x onerror=\"window.harmed = 1\">'",
        "document.body.setAttribute('onclick', 'window.harmed = 1'); document.body.click()",
    ],
)
def test_the_policy_would_stop_what_had_slipped_through(script, open_page, at_work, talk):
    page = open_page(at_work)
    page.goto(talk.address())
    expect(page.locator(".thread")).to_be_visible()
    # What the test itself evaluates is not bound by the policy; what that adds to the page is.
    page.evaluate("script => { try { (0, eval)(script) } catch (error) {} }", script)
    assert page.evaluate("window.harmed") is None


def test_it_is_as_light_or_dark_as_the_reader_has_it(watched, talk, picture, version):
    paper = "getComputedStyle(document.body).backgroundColor"
    for scheme, colour in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 23, 27)")):
        page = watched(color_scheme=scheme)
        page.goto(talk.address())
        expect(page.locator(".thread")).to_be_visible()
        assert page.evaluate(paper) == colour
        picture(page, f"conversation-{scheme}-{version}")
    # Airflow's own choice goes before that of the machine.
    page.evaluate("localStorage.setItem('theme', 'light')")
    page.reload()
    assert page.evaluate(paper) == "rgb(255, 255, 255)"


def test_older_items_are_a_page_away(watched, talk, picture, version):
    page = watched()
    page.goto(talk.address())
    expect(page.get_by_text("Lamp 0?")).to_have_count(0)
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_text("Lamp 0?")).to_be_visible()
    expect(page.get_by_role("link", name="Older")).to_have_count(0)
    picture(page, f"conversation-older-{version}")
    page.get_by_role("link", name="Newest").click()
    expect(page.get_by_text("How many lamps are left?").first).to_be_visible()


def test_the_id_can_be_copied(watched, talk):
    page = watched(permissions=["clipboard-read", "clipboard-write"])
    page.goto(talk.address())
    page.get_by_role("button", name="Copy id").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == talk.conversation.id


def test_it_is_said_when_there_is_nothing_to_be_seen(watched, talk, model, picture, version):
    page = watched()
    model.fail("getConversation", status=503, times=None)
    page.goto(talk.address())
    expect(page.get_by_role("heading", name="The service has a problem")).to_be_visible()
    picture(page, f"conversation-down-{version}")
    model._service.faults.reset()
    del model._service.state.conversations[talk.conversation.id]
    page.reload()
    expect(page.get_by_role("heading", name="This conversation does not exist any more")).to_be_visible()
    picture(page, f"conversation-deleted-{version}")
    page.goto(talk.address("other"))
    expect(page.get_by_role("heading", name="This task has no conversation")).to_be_visible()


def test_who_has_not_logged_in_comes_back_after_the_login(watched, at_work, talk):
    page = watched(None)
    page.goto(talk.address())
    page.wait_for_url("**/auth/login**")
    page.get_by_label("Username").fill("viewer")
    page.get_by_label("Password").fill("viewer")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("How many lamps are left?").first).to_be_visible()


def test_who_may_not_read_the_dag_is_told_so(watched, talk, picture, version):
    page = watched("stranger")
    answer = page.goto(talk.address())
    assert answer.status == 403
    expect(page.get_by_role("heading", name="You may not read this")).to_be_visible()
    assert talk.conversation.id not in page.content()
    picture(page, f"conversation-forbidden-{version}")
