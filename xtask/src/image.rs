//! Builds the container image.

use crate::steps::Steps;
use crate::tool::{Failure, command, is_installed, root, run};

/// The programs that can build it, with the arguments for an image that has a health check.
const BUILDERS: [(&str, &[&str]); 3] =
    [("podman", &["build", "--format=docker"]), ("docker", &["build"]), ("buildah", &["build", "--format=docker"])];

/// Builds the image from the sources, with the name in `arguments` or `offhook-relay`.
pub(crate) fn image(arguments: &[String], steps: &mut Steps) -> Result<(), Failure> {
    let name = arguments.first().map_or("offhook-relay", String::as_str);
    let Some((program, build)) = BUILDERS.iter().find(|(program, _)| is_installed(program)) else {
        return Err(Failure("install podman, docker or buildah first".to_owned()));
    };
    steps.step(&format!("container image {name}: {program}"), || {
        let mut command = command(program);
        command.args(*build).args(["--target=relay", "--file=Containerfile", "--tag", name, "."]);
        run(command.current_dir(root()))
    })
}
