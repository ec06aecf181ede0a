"""Runs as tasks of ECS, as the deployment says, whatever their tags say.

dagster-aws takes the command, the role, the size and the network of a run's task from tags of the
run, which everybody who reaches the UI can write.
"""

from typing import TypeVar

from dagster._core.launcher import LaunchRunContext, ResumeRunContext
from dagster_aws.ecs import EcsRunLauncher

OF_ECS = "ecs/"
Context = TypeVar("Context", LaunchRunContext, ResumeRunContext)


class AsDeployed(EcsRunLauncher):
    """Launches runs without what their tags say of ECS."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Launch a run in a task, as deployed."""
        super().launch_run(_without_tags_of_ecs(context))

    def resume_run(self, context: ResumeRunContext) -> None:
        """Launch another task for a run, as deployed."""
        super().resume_run(_without_tags_of_ecs(context))


def _without_tags_of_ecs(context: Context) -> Context:
    run = context.dagster_run
    tags = {name: value for name, value in run.tags.items() if not name.startswith(OF_ECS)}
    return context._replace(dagster_run=run.with_tags(tags))
