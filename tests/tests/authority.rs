//! `regent authority serve` as a process: what a kubelet and a cluster's clients see of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's assertions")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use regent_tests::binary::{path, run};
use regent_types::Sensitive;
use regent_vault::{Client, Config, Method, Session, Token};

/// A served authority. Killed when dropped.
struct Served {
    child: Child,
    address: String,
}

impl Served {
    /// Starts it on a free loopback port and waits until it says where it answers.
    fn start(data: &Path, audit: &str) -> Self {
        Self::start_with(data, audit, &[])
    }

    fn start_with(data: &Path, audit: &str, further: &[&str]) -> Self {
        let mut child = Command::new(path().unwrap())
            .args(["--log-format", "json", "authority", "serve", "--listen", "127.0.0.1:0"])
            .args(["--audit-log", audit, "--grace", "5s", "--data-dir"])
            .arg(data)
            .args(further)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let told: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            told["fields"]["address"].as_str().map(str::to_owned)
        });
        // It goes on to log: somebody must read.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address: address.unwrap() }
    }

    fn client(&self) -> Client {
        let address = format!("http://{}", self.address);
        let deadline = Duration::from_secs(10);
        Client::new(Config { address, ca_pem: None, ca_file: None, deadline }).unwrap()
    }

    fn stop(mut self) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let mut out = self.child.stdout.take().unwrap();
        let mut printed = String::new();
        std::io::Read::read_to_string(&mut out, &mut printed).unwrap();
        (self.child.wait().unwrap().code(), printed)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Already ended is fine.
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// S5.3-3: an empty authority is alive to a kubelet, stops on SIGTERM with code 0, and a second start finds its
/// storage.
#[tokio::test]
async fn it_answers_probes_stops_gracefully_and_starts_again() {
    let place = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let served = Served::start(place.path(), "-");
        let health = served.client().health().await.unwrap();
        assert!(!health.initialized && health.sealed);
        let (code, printed) = served.stop();
        assert_eq!(code, Some(0));
        // Its audit log and nothing else is on standard output.
        for line in printed.lines() {
            assert!(serde_json::from_str::<serde_json::Value>(line).unwrap().is_object());
        }
    }
}

/// C7-3: no plain HTTP where others can reach it, and the error says what to do.
#[test]
fn plain_http_beyond_loopback_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().display().to_string();
    let args = ["authority", "serve", "--data-dir", &data, "--listen", "0.0.0.0:0"];
    let refused = run(&args, &[]).unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("PlainBeyondLoopback") && said.contains("--tls-dir"), "{said}");
}

/// Sends a request without a token, as the one that initializes does.
fn made(address: &str) -> serde_json::Value {
    use std::io::{Read, Write};
    let body = r#"{"secret_shares": 1, "secret_threshold": 1}"#;
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let head = "PUT /v1/sys/init HTTP/1.1\r\nhost: a\r\nconnection: close\r\n";
    write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let at = answer.find("\r\n\r\n").unwrap() + 4;
    serde_json::from_str(&answer[at..]).unwrap()
}

/// Everything was lost but one snapshot and one share: `regent authority restore`, and it goes on.
#[tokio::test]
async fn what_a_snapshot_holds_is_there_after_everything_else_was_lost() {
    let place = tempfile::tempdir().unwrap();
    let (data, snapshots) = (place.path().join("data"), place.path().join("snapshots"));
    std::fs::create_dir(&snapshots).unwrap();
    let audit = place.path().join("audit.log").display().to_string();
    let further = ["--snapshot-dir", &snapshots.display().to_string()];
    let served = Served::start_with(&data, &audit, &further);
    let made = made(&served.address);
    let share = base64(made["keys_base64"][0].as_str().unwrap());
    let token = made["root_token"].as_str().unwrap().to_owned();
    served.client().unseal(&share).await.unwrap();
    let session = |served: &Served| {
        Session::with_token(served.client(), Token::new(Sensitive::new(token.clone())))
    };
    let mount = serde_json::json!({ "type": "kv-v2" });
    session(&served).request(Method::POST, "sys/mounts/secret", Some(&mount)).await.unwrap();
    for number in 0..50 {
        let body = serde_json::json!({ "data": { "v": number } });
        let path = format!("secret/data/app/{number}");
        session(&served).request(Method::POST, &path, Some(&body)).await.unwrap();
    }
    let env = [
        ("VAULT_ADDR".to_owned(), format!("http://{}", served.address)),
        ("VAULT_TOKEN".to_owned(), token.clone()),
    ];
    let taken = run(&["authority", "snapshot", "-o", "json"], &env).unwrap();
    let said = String::from_utf8_lossy(&[taken.stdout.clone(), taken.stderr].concat()).into_owned();
    assert_eq!(taken.status.code(), Some(0), "{said}");
    let taken: serde_json::Value = serde_json::from_slice(&taken.stdout).unwrap();
    assert_eq!(taken["trial"], "good", "{taken}");
    let file = snapshots.join(taken["name"].as_str().unwrap());
    // Killed, and its storage gone.
    drop(served);
    std::fs::remove_dir_all(&data).unwrap();

    let data = place.path().join("new");
    let data_file = data.join("authority.redb").display().to_string();
    let restore = ["authority", "restore", &file.display().to_string(), "--data-file", &data_file];
    assert_eq!(run(&restore, &[]).unwrap().status.code(), Some(0));
    let again = run(&restore, &[]).unwrap();
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("DataFileExists"));
    let served = Served::start_with(&data, &audit, &further);
    let health = served.client().health().await.unwrap();
    assert!(health.initialized && health.sealed);
    served.client().unseal(&share).await.unwrap();
    for number in 0..50 {
        let path = format!("secret/data/app/{number}");
        let found = session(&served).request(Method::GET, &path, None).await.unwrap().unwrap();
        assert_eq!(found["data"]["data"]["v"], number);
    }
    let path = "sys/regent/snapshots";
    let told = session(&served).request(Method::GET, path, None).await.unwrap().unwrap();
    let restored = &told["data"]["restored"];
    assert_eq!((&restored["epoch"], &restored["authentic"]), (&1.into(), &true.into()), "{told}");
    assert_eq!(restored["from"], taken["name"]);
}

/// C20: a place that is not there holds up neither a start nor a stop, and is told; one inside the storage is refused.
#[tokio::test]
async fn a_place_that_is_not_there_is_red_and_in_nobodys_way() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let audit = place.path().join("audit.log").display().to_string();
    let inside = data.join("snapshots").display().to_string();
    let text = data.display().to_string();
    let args = ["authority", "serve", "--data-dir", &text, "--listen", "127.0.0.1:0"];
    let refused = run(&[&args[..], &["--snapshot-dir", &inside]].concat(), &[]).unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("SnapshotsInside"));

    let further = ["--snapshot-dir", "/nowhere/at/all"];
    let served = Served::start_with(&data, &audit, &further);
    let made = made(&served.address);
    served.client().unseal(&base64(made["keys_base64"][0].as_str().unwrap())).await.unwrap();
    let env = [
        ("VAULT_ADDR".to_owned(), format!("http://{}", served.address)),
        ("VAULT_TOKEN".to_owned(), made["root_token"].as_str().unwrap().to_owned()),
    ];
    let failed = run(&["authority", "snapshot"], &env).unwrap();
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert_eq!(failed.status.code(), Some(1), "{said}");
    assert!(said.contains("SnapshotFailed") && said.contains("/nowhere/at/all"), "{said}");
    let began = std::time::Instant::now();
    assert_eq!(served.stop().0, Some(0));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

fn base64(text: &str) -> Sensitive<Vec<u8>> {
    use base64::Engine as _;
    Sensitive::new(base64::engine::general_purpose::STANDARD.decode(text).unwrap())
}

/// What `bao` is told, and what it must say of it; `{name}` is what an earlier command said. Each ends with success.
const BAO: [(&str, &str); 44] = [
    ("secrets enable -path=secret -version=2 kv", "Success"),
    ("secrets tune -default-lease-ttl=1h -max-lease-ttl=2h -description=tuned secret/", "Success"),
    ("secrets tune -description=again secret/", "Success"),
    ("read sys/mounts/secret/tune", "1h"),
    ("secrets list -detailed", "again"),
    ("kv put -cas=0 -mount=secret app user=ana port=5432", "version            1"),
    ("kv get -mount=secret -field=port app", "5432"),
    ("kv patch -mount=secret app user=ben", "version            2"),
    ("kv rollback -mount=secret -version=1 app", "version            3"),
    ("kv metadata put -mount=secret -max-versions=3 -custom-metadata=team=pay app", "Success"),
    ("kv metadata get -mount=secret app", "team:pay"),
    ("kv delete -mount=secret -versions=1 app", "Success"),
    ("kv undelete -mount=secret -versions=1 app", "Success"),
    ("kv destroy -mount=secret -versions=1 app", "Success"),
    ("kv list -mount=secret /", "app"),
    ("policy write reader {policy}", "Success"),
    ("policy read reader", "secret/data/app"),
    ("policy list", "reader"),
    ("auth enable kubernetes", "Success"),
    (
        "auth tune -max-lease-ttl=2h -token-type=default-service -listing-visibility=unauth kubernetes/",
        "Success",
    ),
    ("auth tune -description=cluster kubernetes/", "Success"),
    ("read sys/mounts/auth/kubernetes/tune", "2h"),
    ("auth list -detailed", "cluster"),
    ("write auth/kubernetes/config kubernetes_host=https://127.0.0.1:1", "Success"),
    (
        "write auth/kubernetes/role/app bound_service_account_names=a,b bound_service_account_namespaces=* \
         token_policies=reader token_ttl=1h",
        "Success",
    ),
    ("read auth/kubernetes/role/app", "[a b]"),
    ("list auth/kubernetes/role", "app"),
    ("delete auth/kubernetes/role/app", "Success"),
    ("write auth/token/roles/ci allowed_policies=reader orphan=true token_period=1h", "Success"),
    ("token create -role=ci -field=token", "hvs."),
    (
        "token create -policy=reader -ttl=1h -display-name=x -metadata=a=b -field=token",
        "{token}hvs.",
    ),
    ("token lookup {token}", "reader"),
    ("token renew -increment=30m {token}", "30m"),
    ("token capabilities secret/data/app", "root"),
    ("read -wrap-ttl=5m -field=wrapping_token secret/data/app", "{wrapped}hvs."),
    ("unwrap {wrapped}", "ana"),
    ("list sys/leases/lookup/auth/token", "create"),
    ("token revoke {token}", "Success"),
    ("lease revoke -prefix auth/token/create", "queued successfully"),
    ("operator rotate", "Key Term            2"),
    ("operator key-status", "Key Term            2"),
    ("auth disable kubernetes", "Success"),
    ("secrets disable secret", "Success"),
    ("operator seal", "Success"),
];

/// The issue on faults, V10: the commands of OpenBao's own client, as far as what they ask for is served.
#[test]
fn v10_the_client_of_openbao_works_unchanged() {
    let Some(bao) = regent_tests::openbao::binary_or_skip().unwrap() else { return };
    let place = tempfile::tempdir().unwrap();
    // Not to standard output, which nobody reads meanwhile.
    let audit = place.path().join("audit.log");
    let served = Served::start(&place.path().join("data"), audit.to_str().unwrap());
    let policy = place.path().join("reader.hcl");
    std::fs::write(&policy, "path \"secret/data/app\" { capabilities = [\"read\"] }").unwrap();
    let mut token = String::new();
    let ask = |token: &str, line: &str| {
        let mut command = Command::new(&bao);
        command.args(line.split_whitespace()).env("BAO_ADDR", format!("http://{}", served.address));
        command.env("BAO_TOKEN", token).env("HOME", place.path()).stdin(Stdio::null());
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    };
    let (_, made) = ask("", "operator init -key-shares=1 -key-threshold=1 -format=json");
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let key = made["unseal_keys_b64"][0].as_str().unwrap();
    assert!(ask("", &format!("operator unseal {key}")).0);
    token.push_str(made["root_token"].as_str().unwrap());
    let mut said_before = vec![("{policy}", policy.display().to_string())];
    for (line, expected) in BAO {
        let line =
            said_before.iter().fold(line.to_owned(), |l, (name, text)| l.replace(name, text));
        let (fine, said) = ask(&token, &line);
        let name = ["{token}", "{wrapped}"].into_iter().find(|name| expected.starts_with(name));
        let wanted = expected.trim_start_matches(name.unwrap_or_default());
        assert!(fine && said.contains(wanted), "bao {line}\n  expected {wanted}\n  found {said}");
        said_before.extend(name.map(|name| (name, said.trim().to_owned())));
    }
}
