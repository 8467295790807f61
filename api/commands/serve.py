"""``fluxhero serve``: the HTTP API and the dashboard."""

from pathlib import Path
from typing import Annotated

import typer


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; only this computer by default.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 takes a free one.")
    ] = 8000,
    data_folder: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Markets and results to serve, such as ./out with what was swept here. "
            "Default: the user's data folder.",
        ),
    ] = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let other computers in too; traffic is not encrypted.")
    ] = False,
    host_name: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name by which others know this computer; repeatable."),
    ] = None,
) -> None:
    """Serve the HTTP API until Ctrl-C.

    It asks for a token, which is made on the first start; the log says where it lies.
    """
    from ..server import serve as run_server

    run_server(
        host=host,
        port=port,
        data_folder=data_folder,
        allow_remote=allow_remote,
        host_names=tuple(host_name or ()),
    )
