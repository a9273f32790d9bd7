"""The tree of commands."""

from __future__ import annotations

import typer

from cli import (
    availability,
    chaos,
    dashboard,
    demo,
    design,
    doctor,
    findings,
    hospital,
    load,
    models,
    plan,
    predict,
    report,
    runs,
    sensitivity,
    stack,
    stack_alerts,
    stack_backup,
    stack_grafana,
    stack_leader,
    sweep,
)  # fmt: skip

app = typer.Typer(
    name="testbed",
    help="Predict what a hybrid hospital AI system will do, run it, break it, and say with "
    "evidence which of its promises hold.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.add_typer(design.app, name="design")
app.command("simulate")(predict.simulate)
app.command("plan")(plan.plan)
app.command("compare")(plan.compare)
app.command("capacity")(plan.capacity)
app.command("sweep")(sweep.sweep)
app.command("sensitivity")(sensitivity.sensitivity)
app.command("availability")(availability.availability)
app.command("findings")(findings.findings)
app.command("predict")(predict.predict)
app.command("calibrate")(predict.calibrate)
stack.app.command("alerts")(stack_alerts.alerts)
stack.app.command("promote")(stack_leader.promote)
stack.app.command("failback")(stack_leader.failback)
stack.app.command("switchover")(stack_leader.switchover)
stack.app.command("backups")(stack_backup.backups)
stack.app.command("restore")(stack_backup.restore)
stack.app.command("grafana")(stack_grafana.grafana)
app.add_typer(stack.app, name="stack")
app.command("load")(load.load)
app.add_typer(chaos.app, name="chaos")
app.command("report")(report.report)
app.add_typer(runs.app, name="runs")
app.command("dashboard")(dashboard.dashboard)
app.add_typer(models.app, name="models")
app.add_typer(hospital.app, name="hospital")
