//! Errors as a person reads them, and the exit codes: 0 fine, 1 finding or failure, 2 usage, 3 unreachable.

use std::fmt;

use regent_types::{Advice, Explain};

/// An error with a reason, advice and an exit code. Its source chain is printed below it.
#[derive(Debug)]
pub struct Failure {
    /// CamelCase word for programs: the `reason` of `-o json`.
    pub reason: String,
    /// What went wrong, in one sentence; never a secret value.
    pub message: String,
    /// What was expected, what was found, what to do; absent where the message says it all.
    pub advice: Option<Box<Advice>>,
    /// Exit code of the process.
    pub code: u8,
}

impl Failure {
    /// A failure of exit code 1.
    pub fn new(reason: impl Into<String>, message: impl Into<String>, advice: Advice) -> Self {
        Self {
            reason: reason.into(),
            message: message.into(),
            advice: Some(Box::new(advice)),
            code: 1,
        }
    }

    /// A library's error, told after what was being done.
    pub fn of(doing: &str, error: &(impl Explain + ?Sized)) -> Self {
        let mut message = format!("{doing}: {error}");
        let mut source = error.source();
        while let Some(cause) = source {
            message.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        let reason = error.reason().to_owned();
        Self { reason, message, advice: Some(Box::new(error.advice())), code: 1 }
    }

    /// The same with another exit code.
    #[must_use]
    pub fn code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    /// The failure as JSON, for `-o json`.
    pub fn json(&self) -> serde_json::Value {
        let advice = self.advice.clone().unwrap_or_default();
        serde_json::json!({ "error": {
            "reason": self.reason, "message": self.message,
            "expected": advice.expected, "found": advice.found, "do": advice.action,
        }})
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.reason)?;
        match &self.advice {
            Some(advice) => write!(f, "\n{advice}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

/// Reads `error` as a [`Failure`], whatever it is.
pub fn of_any(error: &anyhow::Error) -> Failure {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        let Failure { reason, message, advice, code } = failure;
        return Failure {
            reason: reason.clone(),
            message: message.clone(),
            advice: advice.clone(),
            code: *code,
        };
    }
    Failure { reason: "Failed".into(), message: format!("{error:#}"), advice: None, code: 1 }
}
