//! What one replica asked the API server, in order, and what can be read from it.

use axum::http::{Method, Uri};

/// Requests remembered; a component in a hot loop is found long before.
const ASKED_MAX: usize = 200_000;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    method: Method,
    uri: String,
    /// The answer's status, 0 while there is none.
    status: u16,
}

/// The requests of one replica.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    all: Vec<Asked>,
    /// Requests, also beyond those that are remembered.
    count: usize,
    /// Where the window of counting began.
    from: usize,
}

impl Trace {
    /// Notes a request; returns its number.
    pub(super) fn asked(&mut self, method: &Method, uri: &Uri) -> usize {
        let number = self.count;
        self.count += 1;
        if self.all.len() < ASKED_MAX {
            let (method, uri) = (method.clone(), uri.to_string());
            self.all.push(Asked { method, uri, status: 0 });
        }
        number
    }

    pub(super) fn answered(&mut self, number: usize, status: u16) {
        if let Some(asked) = self.all.get_mut(number) {
            asked.status = status;
        }
    }

    pub(crate) fn begin_window(&mut self) {
        self.from = self.count;
    }

    /// Requests since the window began.
    pub(crate) fn window(&self) -> usize {
        self.count - self.from
    }

    /// What the window's requests were, each once with how often it was asked.
    pub(crate) fn told(&self) -> Vec<String> {
        let mut told = std::collections::BTreeMap::<String, usize>::new();
        for asked in self.all.iter().skip(self.from) {
            let path = asked.uri.split('?').next().unwrap_or_default();
            *told.entry(format!("{} {path} {}", asked.method, asked.status)).or_default() += 1;
        }
        told.into_iter().map(|(what, times)| format!("{times}× {what}")).collect()
    }

    /// Answers with `status` so far.
    pub(crate) fn answers(&self, status: u16) -> usize {
        self.all.iter().filter(|asked| asked.status == status).count()
    }

    /// Times that the Lease was obtained, and writes that were asked for while it was not held.
    ///
    /// A replica holds it from the moment that its write of the Lease is answered well; it has given up at the latest
    /// when it begins to follow the Lease as those who wait do. Dry runs write nothing.
    pub(crate) fn leading(&self) -> (usize, Vec<String>) {
        let (mut led, mut holds, mut stray) = (0, false, Vec::new());
        for asked in &self.all {
            let lease = asked.uri.contains("/apis/coordination.k8s.io/");
            let read = asked.method == Method::GET;
            if lease && read && asked.uri.contains("fieldSelector") {
                holds = false;
            } else if lease && !read && asked.status < 300 {
                led += usize::from(!holds);
                holds = true;
            } else if !lease && !read && !holds && !asked.uri.contains("dryRun") {
                stray.push(format!("{} {} {}", asked.method, asked.uri, asked.status));
            }
        }
        (led, stray)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/regent-system/leases";

    fn trace(all: &[(Method, &str, u16)]) -> Trace {
        let mut trace = Trace::default();
        for (method, uri, status) in all {
            let number = trace.asked(method, &uri.parse().unwrap());
            trace.answered(number, *status);
        }
        trace
    }

    /// A write between losing the Lease and obtaining it is found; one while it is held is none.
    #[test]
    fn a_write_without_the_lease_is_found() {
        let follow = format!("{LEASES}?fieldSelector=metadata.name%3Dregent-publisher");
        let own = format!("{LEASES}/regent-publisher");
        let secret = "/api/v1/namespaces/a/secrets/b";
        let begin = [(Method::GET, follow.as_str(), 200), (Method::POST, LEASES, 201)];
        let lost = [(Method::PUT, own.as_str(), 409), (Method::GET, follow.as_str(), 200)];
        let write = [(Method::PATCH, secret, 200)];
        let again = [(Method::PUT, own.as_str(), 200)];
        let fine = [&begin[..], &write, &lost, &again, &write].concat();
        assert_eq!(trace(&fine).leading(), (2, Vec::new()));
        let bad = [&begin[..], &lost, &write, &again].concat();
        assert_eq!(trace(&bad).leading(), (2, vec![format!("PATCH {secret} 200")]));
        let dry = [(Method::PATCH, "/api/v1/namespaces/a/secrets/b?dryRun=All", 403)];
        assert_eq!(trace(&dry).leading(), (0, Vec::new()));
    }

    #[test]
    fn a_window_counts_what_came_after_it_began() {
        let mut trace = trace(&[(Method::GET, "/a?x=1", 200)]);
        trace.begin_window();
        for _ in 0..2 {
            let number = trace.asked(&Method::GET, &Uri::from_static("/b?x=2"));
            trace.answered(number, 503);
        }
        assert_eq!((trace.window(), trace.told()), (2, vec!["2× GET /b 503".to_owned()]));
        assert_eq!((trace.answers(503), trace.answers(200)), (2, 1));
    }
}
