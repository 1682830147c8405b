"""How the tests start Chromium: it asks nothing of the network by itself, and chat.test is this machine."""

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP chat.test 127.0.0.1",
)
