"""The page: its tabs, how it looks, and how it is served."""

import hmac
import os
import threading
from collections.abc import Callable
from importlib import import_module

# Before Gradio and the Hub's library load: nothing is sent, and nothing is sought outside of this machine.
os.environ.update(
    GRADIO_ANALYTICS_ENABLED="False",
    GRADIO_SHARE="False",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_OFFLINE="1",
    DO_NOT_TRACK="1",
)

import gradio as gr

from common.errors import UserError
from studio import cursor
from studio.config import LARGEST, LOCAL, WAITING, StudioConfig
from studio.places import Choice
from studio.shop import Shop
from studio.tabs.images import images_tab
from studio.tabs.music import music_tab
from studio.tabs.origins import origins_tab
from studio.tabs.sounds import sounds_tab
from studio.tabs.superres import superres_tab
from studio.tabs.text import text_tab
from studio.tabs.train import train_tab

TABS: dict[str, Callable[[Shop], list[Choice]]] = {
    "Images": images_tab,
    "Super-resolution": superres_tab,
    "Text": text_tab,
    "Music": music_tab,
    "Sounds": sounds_tab,
    "Origin": origins_tab,
}
DAY = 86_400  # seconds for which what was shown stays; looked at every hour
FONTS = ("ui-sans-serif", "system-ui", "sans-serif")  # those of the machine, so that none is fetched
MONOSPACED = ("ui-monospace", "Consolas", "monospace")
SWITCH = "() => { document.body.classList.toggle('dark'); }"
STYLE = """
footer { display: none !important; }
.gradio-container { max-width: min(1100px, 100vw) !important; margin: auto; overflow-x: clip; }
#light { max-width: 9rem; }
.seen .image-frame { padding-top: 2.25rem; }
input[type="range"]::-webkit-slider-thumb { box-shadow: 0 0 0 2px var(--slider-color) !important; }
input[type="range"]::-moz-range-thumb { box-shadow: 0 0 0 2px var(--slider-color) !important; }
.dark audio { color-scheme: dark; }
.cm-line span { color: inherit !important; }
"""
CLEARER = {  # than the theme in light has what is hard to see, grey on white and white on white
    "background_fill_primary": "*neutral_50",  # the theme's own, which `set` forgets
    "body_text_color_subdued": "*neutral_500",
    "input_border_color": "*neutral_300",
    "input_border_width": "1px",
}
INTRODUCTION = """Make pictures, texts, music and sounds with the models that ship, and train your own. All of it is
computed on this machine, and below every result stands the command that makes the same in a terminal."""


def build(shop: Shop) -> gr.Blocks:
    """The page with all its tabs."""
    with gr.Blocks(title="Studio", analytics_enabled=False, delete_cache=(3_600, DAY)) as page:
        with gr.Row():
            gr.Markdown("# Studio")
            gr.Button("Light or dark", size="sm", elem_id="light").click(None, js=SWITCH)
        gr.Markdown(INTRODUCTION)
        with gr.Tabs():
            choices: list[Choice] = []
            for name, lay_out in TABS.items():
                with gr.Tab(name):
                    choices += lay_out(shop)
            with gr.Tab("Train"):
                train_tab(shop, page, choices)
        page.unload(_forgetting(shop))
    page.queue(max_size=WAITING, default_concurrency_limit=4)
    return page


def serve(config: StudioConfig) -> None:
    """Serve the page until Ctrl-C.

    Raises:
        UserError: as of `launch`.
    """
    launch(config, Shop(config.device, is_local=config.host in LOCAL))


def launch(config: StudioConfig, shop: Shop, wait: bool = True) -> gr.Blocks:
    """Serve the page; without `wait`, from a thread of its own.

    Raises:
        UserError: the port is taken, or the page cannot be reached from this machine itself.
    """
    os.environ["GRADIO_TEMP_DIR"] = str(shop.root / "shown")
    page = build(shop)
    print(f"studio: http://{config.host}:{config.port} (Ctrl-C ends it)", flush=True)
    try:
        page.launch(
            auth=_door(config.password) if config.password else None,
            css=STYLE + cursor.STYLE,
            enable_monitoring=False,
            footer_links=[],
            js=cursor.SCRIPT,
            inbrowser=not config.no_open,
            max_file_size=LARGEST,
            prevent_thread_lock=True,
            quiet=True,
            run_history=False,
            server_name=config.host,
            server_port=config.port,
            share=False,
            show_error=False,
            ssr_mode=False,
            theme=gr.themes.Soft(primary_hue="indigo", font=FONTS, font_mono=MONOSPACED).set(**CLEARER),
        )
    except OSError as error:
        raise UserError(f"--port {config.port} is taken; name another") from error
    except ValueError as error:  # that Gradio's own look at the page had no answer
        advice = "a proxy may be in the way (NO_PROXY=localhost lets it be), or the machine is too busy; try again"
        raise UserError(f"the page at {config.host}:{config.port} does not answer; {advice}") from error
    threading.Thread(target=import_module, args=("torch",), daemon=True).start()  # while the page is looked at
    if wait:
        page.block_thread()
    return page


def _forgetting(shop: Shop) -> Callable[[gr.Request], None]:
    def left(request: gr.Request) -> None:
        visitor = request.session_hash or ""
        shop.ended.add(visitor)
        shop.forget(visitor)

    return left


def _door(password: str) -> Callable[[str, str], bool]:
    def opens(user: str, given: str) -> bool:
        return hmac.compare_digest(given.encode(), password.encode())

    return opens
