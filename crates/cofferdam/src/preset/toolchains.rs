//! The preset `toolchains`: compilers and interpreters kept in the user's home, read-only.
//!
//! Each is found through its own variable or at its usual place. Of a place that also holds the
//! user's configuration only the parts named here are shown, so the credentials beside them
//! (`credentials.toml`, `.npmrc` …) do not exist inside.

use cofferdam_policy::PathRule;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A toolchain manager: where it keeps its files, and which of them are shown.
struct Manager {
    /// The variable that names its place; empty for none.
    variable: &'static str,
    /// Its usual place below the home.
    place: &'static str,
    /// What is shown, below the place.
    parts: &'static [&'static str],
}

const MANAGERS: &[Manager] = &[
    manager("RUSTUP_HOME", ".rustup", &["toolchains", "settings.toml"]),
    // Not config.toml: it may hold tokens. `registry` and `git` are what offline builds read.
    manager("CARGO_HOME", ".cargo", &["bin", "env", "registry", "git"]),
    manager(
        "PYENV_ROOT",
        ".pyenv",
        &[
            "bin",
            "completions",
            "libexec",
            "plugins",
            "pyenv.d",
            "shims",
            "version",
            "versions",
        ],
    ),
    manager(
        "NVM_DIR",
        ".nvm",
        &["alias", "bash_completion", "nvm-exec", "nvm.sh", "versions"],
    ),
    manager("FNM_DIR", ".local/share/fnm", &["aliases", "node-versions"]),
    manager("VOLTA_HOME", ".volta", &["bin", "layout.v4", "tools"]),
    manager(
        "SDKMAN_DIR",
        ".sdkman",
        &["bin", "candidates", "contrib", "ext", "libexec", "src"],
    ),
    manager(
        "JENV_ROOT",
        ".jenv",
        &["bin", "libexec", "shims", "version", "versions"],
    ),
    manager(
        "RBENV_ROOT",
        ".rbenv",
        &["bin", "libexec", "plugins", "shims", "version", "versions"],
    ),
    manager(
        "ASDF_DATA_DIR",
        ".asdf",
        &["asdf.sh", "bin", "installs", "lib", "plugins", "shims"],
    ),
    manager(
        "MISE_DATA_DIR",
        ".local/share/mise",
        &["installs", "plugins", "shims"],
    ),
    manager("GOPATH", "go", &["bin", "pkg/mod", "src"]),
    manager("GOROOT", "sdk", &["."]),
    manager("BUN_INSTALL", ".bun", &["bin"]),
    manager("DENO_INSTALL", ".deno", &["bin"]),
    manager(
        "DOTNET_ROOT",
        ".dotnet",
        &[
            "dotnet",
            "host",
            "packs",
            "sdk",
            "sdk-manifests",
            "shared",
            "templates",
        ],
    ),
    manager("GHCUP_INSTALL_BASE_PREFIX", ".ghcup", &["bin", "ghc"]),
    manager("JULIAUP_DEPOT_PATH", ".julia/juliaup", &["."]),
    manager(
        "CONDA_ROOT",
        "miniconda3",
        &["bin", "envs", "etc/profile.d", "lib", "pkgs", "share"],
    ),
    manager("", ".local/share/uv", &["python", "tools"]),
    manager("", ".local/pipx", &["venvs"]),
    manager("", ".local/share/pipx", &["venvs"]),
    manager("", ".local/bin", &["."]),
    manager("", ".local/lib", &["."]),
];

const fn manager(
    variable: &'static str,
    place: &'static str,
    parts: &'static [&'static str],
) -> Manager {
    Manager {
        variable,
        place,
        parts,
    }
}

/// Names that hold credentials, hidden wherever they lie directly in something that is shown whole.
const CREDENTIALS: &[&str] = &[
    ".aws",
    ".azure",
    ".config/gcloud",
    ".config/gh",
    ".docker",
    ".git-credentials",
    ".gnupg",
    ".kube",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".ssh",
    ".yarnrc.yml",
    "credentials",
    "credentials.toml",
    "etc/npmrc",
];

/// What was found on this host.
#[derive(Debug, Default)]
pub(crate) struct Toolchains {
    /// Paths to show read-only.
    pub shown: Vec<PathBuf>,
    /// Paths below them to hide.
    pub hidden: Vec<PathBuf>,
    /// Variables with which programs find them.
    pub variables: Vec<(OsString, OsString)>,
}

impl Toolchains {
    /// Looks for every manager, then for what else of the home is in `PATH`.
    pub(crate) fn find(home: &Path) -> Self {
        let mut found = Self::default();
        for manager in MANAGERS {
            found.add(manager, home);
        }
        // A home toolchain that nobody here knows still works if PATH names its programs.
        let path = std::env::var_os("PATH").unwrap_or_default();
        for directory in std::env::split_paths(&path) {
            let inside_home = directory.starts_with(home) && directory != home;
            if inside_home && !found.covers(&directory) && directory.is_dir() {
                found.show(directory);
            }
        }
        found
    }

    fn add(&mut self, manager: &Manager, home: &Path) {
        let named = match manager.variable {
            "" => None,
            variable => std::env::var_os(variable).filter(|value| !value.is_empty()),
        };
        // GOPATH is a list of places (its go command's documentation); the others are one.
        let places: Vec<PathBuf> = match &named {
            Some(value) if manager.variable == "GOPATH" => std::env::split_paths(value).collect(),
            Some(value) => vec![value.into()],
            None => vec![home.join(manager.place)],
        };
        let mut any = false;
        for place in places.iter().filter(|place| place.is_absolute()) {
            for part in manager.parts {
                let path = match *part {
                    "." => place.clone(),
                    part => place.join(part),
                };
                // A place that is the home itself, or holds it, is a mistake and shows too much.
                if path.exists() && !home.starts_with(&path) {
                    any = true;
                    self.show(path);
                }
            }
        }
        if let (true, Some(value)) = (any, named) {
            self.variables.push((manager.variable.into(), value));
        }
    }

    fn show(&mut self, path: PathBuf) {
        if self.covers(&path) {
            return;
        }
        let credentials = CREDENTIALS.iter().map(|name| path.join(name));
        self.hidden
            .extend(credentials.filter(|path| path.symlink_metadata().is_ok()));
        self.shown.push(path);
    }

    fn covers(&self, path: &Path) -> bool {
        self.shown.iter().any(|shown| path.starts_with(shown))
    }

    /// As rules: what is shown, and what is hidden below it.
    pub(crate) fn rules(&self) -> impl Iterator<Item = PathRule> {
        let shown = self.shown.iter().map(PathRule::read);
        shown.chain(self.hidden.iter().map(PathRule::hide))
    }
}
