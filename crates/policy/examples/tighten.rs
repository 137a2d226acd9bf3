//! A project's own policy may only tighten what its user allows.

use std::path::Path;

use cofferdam_policy::Policy;

const USER: &str = r#"
filesystem = { workspace = ".", write = ["/var/cache/build"], toolchains = true }
network = { mode = "host" }
limits = { memory = "4GiB", processes = 512 }
"#;
const PROJECT: &str = r#"
filesystem = { workspace = ".", hide = [".env"], read = ["/home/me/.ssh"], toolchains = true }
limits = { memory = "16GiB", processes = 64 }
"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let repo = Path::new("/home/me/repo");
    let user = Policy::from_toml(USER)?.rebase(repo);
    let project = Policy::from_toml(PROJECT)?.rebase(repo);

    let both = user.restrict(&project);
    both.validate()?;
    assert!(both.is_within(&user) && both.is_within(&project));
    // No network, no ~/.ssh, no cache; 4 GiB, 64 processes; the repository without .env.
    print!("{}", both.to_toml()?);
    Ok(())
}
