//! The Python that is to run the models, and the script that starts the stub with it.

use super::members::{STUB, stub_name};
use anyhow::{Context as _, bail, ensure};
use std::{path::Path, process::Command};

/// Prints version, program, the directory of its library, and numpy's version, a line each. An empty
/// directory is one that the dynamic loader looks into anyhow.
const QUESTION: &str = r#"
import ctypes, os, sys, sysconfig
version = "%d.%d" % sys.version_info[:2]
name = "libpython%s.so.1.0" % version
directories = [sysconfig.get_config_var("LIBDIR"), os.path.join(sys.base_prefix, "lib")]
found = [d for d in directories if d and os.path.exists(os.path.join(d, name))]
if not found:
    try:
        ctypes.CDLL(name)
        found = [""]
    except OSError:
        found = ["none"]
try:
    import numpy
    numpy = numpy.__version__
except Exception:
    numpy = "none"
print(version, sys.executable, found[0], numpy, sep="\n")
"#;

/// A Python, as it says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Interpreter {
    /// Such as "3.11".
    pub(super) version: String,
    /// The directory of its program.
    programs: String,
    /// The directory of its shared library, where the dynamic loader does not find it by itself.
    libraries: Option<String>,
    numpy: Option<String>,
}

impl Interpreter {
    /// Asks the program `python`.
    pub(super) fn ask(python: &Path) -> anyhow::Result<Self> {
        let shown = python.display();
        let asked = Command::new(python).args(["-c", QUESTION]).output().with_context(|| {
            format!("cannot run '{shown}': install Python 3, or name another one with --python")
        })?;
        let complaint = String::from_utf8_lossy(&asked.stderr);
        ensure!(
            asked.status.success(),
            "'{shown}' ended with {} and said: {}; name another Python with --python",
            asked.status,
            complaint.trim()
        );
        Self::read(&String::from_utf8_lossy(&asked.stdout))
            .with_context(|| format!("'{shown}' is no Python that can run models"))
    }

    fn read(answer: &str) -> anyhow::Result<Self> {
        let [version, program, libraries, numpy] = answer.lines().collect::<Vec<_>>()[..] else {
            bail!("expected four lines, got '{}'", answer.escape_debug());
        };
        ensure!(
            libraries != "none",
            "it has no shared library libpython{version}.so.1.0, which the backend runs models with: \
             install it (on Debian: apt install libpython{version}; with pyenv: \
             PYTHON_CONFIGURE_OPTS=--enable-shared), or name another Python with --python"
        );
        let programs = Path::new(program).parent().unwrap_or(Path::new("")).to_string_lossy();
        for directory in [&programs, libraries] {
            ensure!(
                !directory.contains(':'),
                "'{directory}' has a ':', which no search path can hold"
            );
        }
        let some = |text: &str, none: &str| (text != none).then(|| text.to_owned());
        Ok(Self {
            version: version.to_owned(),
            programs: programs.into_owned(),
            libraries: some(libraries, ""),
            numpy: some(numpy, "none"),
        })
    }

    /// What its numpy means for the models, where it is not the right one.
    pub(super) fn advice(&self) -> Option<String> {
        let found = match &self.numpy {
            Some(version) if version.starts_with("1.") => return None,
            Some(version) => format!("it has {version}, with which every output is empty"),
            None => "it has none".to_owned(),
        };
        Some(format!(
            "this backend needs numpy 1, and of this Python {found}: {} -m pip install 'numpy<2'",
            Path::new(&self.programs).join("python3").display()
        ))
    }

    /// The script that the backend starts as its stub.
    ///
    /// Python takes its packages from the environment of the first `python3` on PATH. A model with an
    /// environment of its own (EXECUTION_ENV_PATH) is started with `<environment>/lib` in front of the
    /// libraries, and keeps its Python. What the operator sets goes first.
    pub(super) fn script(&self) -> String {
        let libraries = self.libraries.as_ref().map(|path| format!(":{}", quoted(path)));
        format!(
            "#!/bin/sh\n\
             # Starts NVIDIA's stub for Python {version} with the libraries beside it.\n\
             # Written by: hippocamp backend install python\n\
             case $0 in /*) here=${{0%/*}} ;; *) here=$PWD/${{0%/*}} ;; esac\n\
             first=${{LD_LIBRARY_PATH%%:*}}\n\
             if [ -z \"$first\" ] || [ ! -e \"$first/../bin/activate\" ]; then\n    \
                 PATH={programs}:$PATH\n    \
                 export PATH\n\
             fi\n\
             LD_LIBRARY_PATH=${{LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}}$here{libraries}\n\
             export LD_LIBRARY_PATH\n\
             exec \"$here/{stub}\" \"$@\"\n",
            version = self.version,
            programs = quoted(&self.programs),
            libraries = libraries.unwrap_or_default(),
            stub = stub_name(&self.version),
        )
    }
}

/// A word of the shell that stands for `text`.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The name of the script.
pub(super) const SCRIPT: &str = STUB;

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt as _};

    #[test]
    fn answers() {
        let read = |answer| Interpreter::read(answer).map_err(|error| error.to_string());
        let python = read("3.11\n/env/bin/python3\n/usr/local/lib\n1.26.4\n").unwrap();
        assert_eq!(
            python,
            Interpreter {
                version: "3.11".to_owned(),
                programs: "/env/bin".to_owned(),
                libraries: Some("/usr/local/lib".to_owned()),
                numpy: Some("1.26.4".to_owned()),
            }
        );
        assert_eq!(python.advice(), None);
        let found_by_the_loader = read("3.12\n/usr/bin/python3\n\n2.1.0\n").unwrap();
        assert_eq!(found_by_the_loader.libraries, None);
        assert!(found_by_the_loader.advice().unwrap().contains("it has 2.1.0"));
        let without = read("3.12\n/usr/bin/python3\n\nnone\n").unwrap().advice().unwrap();
        assert!(without.contains("it has none: /usr/bin/python3 -m pip"), "{without}");
        for (answer, expect) in [
            ("", "expected four lines"),
            ("3.11\n/usr/bin/python3\nnone\nnone\n", "apt install libpython3.11"),
            ("3.11\n/a:b/python3\n/usr/lib\nnone\n", "'/a:b' has a ':'"),
        ] {
            let error = read(answer).unwrap_err();
            assert!(error.contains(expect), "{error}");
        }
    }

    /// Runs the script with a stub that prints what it was given.
    fn run(directory: &Path, libraries: Option<&Path>) -> Vec<String> {
        let python = Interpreter {
            version: "3.11".to_owned(),
            programs: "/it's here".to_owned(),
            libraries: Some("/py lib".to_owned()),
            numpy: None,
        };
        let script = directory.join(SCRIPT);
        fs::write(&script, python.script()).unwrap();
        let stub = directory.join("triton_python_backend_stub-3.11");
        fs::write(&stub, "#!/bin/sh\necho \"$PATH\"\necho \"$LD_LIBRARY_PATH\"\necho \"$#$2\"\n")
            .unwrap();
        for path in [&script, &stub] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let mut command = Command::new("./triton_python_backend_stub");
        command.args(["one", "two words"]).current_dir(directory).env("PATH", "/bin");
        command.env_remove("LD_LIBRARY_PATH");
        if let Some(libraries) = libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| line.replace(directory.to_str().unwrap(), "<here>")).collect()
    }

    #[test]
    fn the_script_starts_the_stub_with_its_libraries() {
        let _one = crate::install_python::one_program_at_a_time();
        let directory = tempfile::tempdir().unwrap();
        let here = fs::canonicalize(directory.path()).unwrap();
        assert_eq!(run(&here, None), ["/it's here:/bin", "<here>/.:/py lib", "2two words"]);
        let set = run(&here, Some(Path::new("/mine")));
        assert_eq!(set[..2], ["/it's here:/bin", "/mine:<here>/.:/py lib"]);
        // As the backend starts a model with an environment of its own.
        for folder in ["env/lib", "env/bin"] {
            fs::create_dir_all(here.join(folder)).unwrap();
        }
        fs::write(here.join("env/bin/activate"), "").unwrap();
        let own = run(&here, Some(&here.join("env/lib")));
        assert_eq!(own[..2], ["/bin", "<here>/env/lib:<here>/.:/py lib"]);
    }

    #[test]
    fn what_is_no_python_is_named() {
        let _one = crate::install_python::one_program_at_a_time();
        for (program, expect) in [("/no/python", "--python"), ("/bin/false", "exit status: 1")] {
            let error = format!("{:#}", Interpreter::ask(Path::new(program)).unwrap_err());
            assert!(error.contains(program) && error.contains(expect), "{error}");
        }
    }
}
