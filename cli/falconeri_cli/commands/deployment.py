"""`falconeri deploy`, `undeploy`, `status` and `proxy`: Falconeri in a Kubernetes cluster."""

# ruff: noqa: PLC0415  (what a command needs is imported when it runs: --help has to be quick)

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from falconeri_cli.commands.options import JsonOption, YesOption

ContextOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        envvar="FALCONERI_CONTEXT",
        help="Of the kubeconfig file. Default: its current one.",
    ),
]
NamespaceOption = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        metavar="NAME",
        envvar="FALCONERI_NAMESPACE",
        help="Default: the context's, or `default`.",
    ),
]


def _quantity(what: str, production: str, development: str) -> Any:  # noqa: ANN401 - typer's
    text = f"{what} [default: {production}; {development} with --development]"
    return typer.Option(metavar="QUANTITY", help=text, show_default=False)


def deploy(
    *,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the manifests, for `kubectl apply -f -`; new secrets in clear among them.",
        ),
    ] = False,
    skip_secrets: Annotated[
        bool,
        typer.Option("--skip-secrets", "--skip-secret", help="Make no secrets: they exist."),
    ] = False,
    development: Annotated[
        bool,
        typer.Option(
            "--development",
            help="Small, with MinIO, and an image that is on the node already.",
        ),
    ] = False,
    image: Annotated[
        str | None,
        typer.Option(
            metavar="IMAGE",
            help="Of falconerid and of the worker. Not with --development.",
        ),
    ] = None,
    image_volume: Annotated[
        bool | None,
        typer.Option(
            "--image-volume",
            help="Pods mount the worker from the image instead of copying it; for clusters that "
            "have image volumes (Kubernetes 1.35, or 1.33 with the feature ImageVolume).",
        ),
    ] = None,
    storage_class_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of all volumes. Default: the cluster's.")
    ] = None,
    database_secret: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Bring no PostgreSQL: this secret has OWNER_URL (it migrates) and SERVER_URL (as "
            "whom falconerid logs in) of one elsewhere.",
        ),
    ] = None,
    bucket_secret: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A secret that falconerid may read, for specs to name; may be repeated. "
            "Default: all of the namespace.",
        ),
    ] = None,
    postgres_version: Annotated[
        str | None, typer.Option(metavar="TAG", help="15 or newer. [default: 18]")
    ] = None,
    postgres_storage: Annotated[
        str | None, _quantity("Size of the database's volume.", "10Gi", "100Mi")
    ] = None,
    postgres_memory: Annotated[
        str | None, _quantity("Memory of PostgreSQL.", "1Gi", "256Mi")
    ] = None,
    postgres_cpu: Annotated[str | None, _quantity("CPUs of PostgreSQL.", "500m", "100m")] = None,
    falconerid_replicas: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=65535,
            help="Of `serve`, and of `tasks`. [default: 2; 1 with --development]",
        ),
    ] = None,
    falconerid_memory: Annotated[
        str | None, _quantity("Memory of each of them.", "256Mi", "256Mi")
    ] = None,
    falconerid_cpu: Annotated[
        str | None, _quantity("CPUs of each `serve`.", "450m", "100m")
    ] = None,
    falconerid_log_level: Annotated[
        str | None,
        typer.Option(
            metavar="LEVEL",
            help="debug, info, warning or error. [default: warning; debug with --development]",
        ),
    ] = None,
    with_minio: Annotated[
        Literal["true", "false"] | None,
        typer.Option(
            metavar="true|false",
            help="Bring a bucket store, MinIO. [default: false; true with --development]",
        ),
    ] = None,
    minio_storage: Annotated[
        str | None, _quantity("Size of MinIO's volume.", "10Gi", "256Mi")
    ] = None,
    minio_memory: Annotated[str | None, _quantity("Memory of MinIO.", "512Mi", "256Mi")] = None,
    minio_cpu: Annotated[str | None, _quantity("CPUs of MinIO.", "250m", "100m")] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Until everything is ready; show how far it is.")
    ] = False,
    timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="How long --wait may take.")
    ] = "10m",
) -> None:
    """Put Falconeri into a Kubernetes cluster, or bring the one that is there up to date.

    May be repeated at any time: what is as it should be stays, secrets and data among it.
    """
    from falconeri.deployment.options import choose
    from falconeri.errors import InvalidArgument
    from falconeri_cli import deploying

    if development and image is not None:
        raise InvalidArgument("--image and --development exclude each other")
    options = choose(
        development=development,
        image=image,
        image_volume=image_volume,
        storage_class_name=storage_class_name,
        database_secret=database_secret,
        bucket_secrets=tuple(bucket_secret) if bucket_secret else None,
        postgres_version=postgres_version,
        postgres_storage=postgres_storage,
        postgres_memory=postgres_memory,
        postgres_cpu=postgres_cpu,
        falconerid_replicas=falconerid_replicas,
        falconerid_memory=falconerid_memory,
        falconerid_cpu=falconerid_cpu,
        falconerid_log_level=falconerid_log_level,
        with_minio=None if with_minio is None else with_minio == "true",
        minio_storage=minio_storage,
        minio_memory=minio_memory,
        minio_cpu=minio_cpu,
    )
    place = deploying.Place(context, namespace)
    if dry_run:
        deploying.print_manifests(place, options, skip_secrets=skip_secrets)
    else:
        deploying.deploy(place, options, skip_secrets=skip_secrets, wait=timeout if wait else None)


def undeploy(
    *,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="Also the volumes (all jobs, all of MinIO), secrets, and running jobs."
        ),
    ] = False,
    yes: YesOption = False,
) -> None:
    """Take Falconeri out of the cluster; without --all its data stay.

    What can't be deleted doesn't keep the rest from being deleted; the exit code is 1 then.
    """
    from falconeri_cli import deploying

    deploying.undeploy(deploying.Place(context, namespace), all_of_it=everything, yes=yes)


def status(
    *,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how Falconeri in the cluster is; if something is wrong, what, and the exit code is 1."""
    from falconeri_cli import deploying

    deploying.status(deploying.Place(context, namespace), as_json=as_json)


def proxy(
    *,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
    port_offset: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            max=50000,
            help="Added to each port here: for a second proxy. Set FALCONERI_URL to use it.",
        ),
    ] = 0,
) -> None:
    """Bring the cluster's falconerid, database and MinIO to this machine's ports, until Ctrl-C."""
    from falconeri_cli import deploying

    deploying.proxy(deploying.Place(context, namespace), port_offset=port_offset)
