//! Sealed shares, recover, generate-root: claims.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use regent_manifest::keys::{Identities, NewIdentity, decrypt, generate};
use serde_json::{Value, json};

use super::App;
use crate::Storage;

/// What `identity` can open of an answer with `sealed_shares`, as base64.
pub(super) fn opened(answer: &Value, identity: &NewIdentity) -> Vec<String> {
    let identities = Identities::parse(identity.identity.expose()).unwrap();
    let sealed = answer["sealed_shares"].as_array().unwrap();
    let armored = sealed.iter().map(|share| share["armored"].as_str().unwrap());
    armored
        .filter_map(|armored| decrypt(&identities, armored).ok())
        .map(|share| STANDARD.encode(share.expose()))
        .collect()
}

/// A sealed initialization: two holders, threshold 2, an unseal identity.
async fn initialized() -> (App, [NewIdentity; 3]) {
    let keys = [generate(), generate(), generate()];
    let mut app = App::open(Storage::Memory);
    let body = json!({
        "holders": [
            {"name": "ana", "recipient": keys[0].recipient},
            {"name": "ben", "recipient": keys[1].recipient},
        ],
        "threshold": 2,
        "unseal_recipient": keys[2].recipient,
    });
    let answer = app.ask(&format!("PUT sys/regent/init {body}")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    app.token = answer.body["root_token"].as_str().unwrap().to_owned();
    let kept = app.ask("GET sys/regent/sealed-shares").await;
    assert_eq!(kept.body["sealed_shares"], answer.body["sealed_shares"], "the same ciphertext");
    (app, keys)
}

async fn unseal(app: &App, shares: &[String]) -> u16 {
    let mut last = 0;
    for share in shares {
        last = app.ask(&format!(r#"PUT sys/unseal {{"key": "{share}"}}"#)).await.status;
    }
    last
}

async fn is_sealed(app: &App) -> bool {
    app.ask("GET sys/seal-status").await.body["sealed"].as_bool().unwrap()
}

#[tokio::test]
async fn each_holder_opens_one_share_and_the_unseal_identity_enough_of_them() {
    let (app, [ana, ben, unattended]) = initialized().await;
    let kept = app.ask("GET sys/regent/sealed-shares").await.body;
    let holders: Vec<_> =
        kept["sealed_shares"].as_array().unwrap().iter().map(|share| &share["holder"]).collect();
    assert_eq!(holders, ["ana", "ben", "unattended", "unattended"]);
    assert_eq!(kept["threshold"], 2);
    assert_eq!((opened(&kept, &ana).len(), opened(&kept, &ben).len()), (1, 1));

    assert_eq!(unseal(&app, &opened(&kept, &unattended)).await, 200);
    assert!(!is_sealed(&app).await);
    app.check("PUT sys/seal", "204").await;
    let both = [opened(&kept, &ana), opened(&kept, &ben)].concat();
    assert_eq!(unseal(&app, &both).await, 200);
    assert!(!is_sealed(&app).await);
}

#[tokio::test]
async fn bad_holders_are_refused_and_leave_nothing_behind() {
    let key = generate().recipient;
    let app = App::open(Storage::Memory);
    for body in [
        json!({"threshold": 1}),
        json!({"holders": [], "threshold": 1}),
        json!({"holders": [{"name": "a", "recipient": key}], "threshold": 0}),
        json!({"holders": [{"name": "a", "recipient": key}], "threshold": 2}),
        json!({"holders": [{"name": "a", "recipient": "age1nonsense"}], "threshold": 1}),
        json!({"holders": [{"name": "unattended", "recipient": key}], "threshold": 1}),
        json!({"holders": [{"name": "a", "recipient": key}, {"name": "b", "recipient": key}],
               "threshold": 1}),
        json!({"holders": [{"name": "a", "recipient": key}], "threshold": 1, "unseal_recipient": ""}),
    ] {
        let answer = app.ask(&format!("PUT sys/regent/init {body}")).await;
        assert_eq!(answer.status, 400, "{body} {}", answer.body);
    }
    app.check("GET sys/init", r#"200 {"initialized": false}"#).await;
}

#[tokio::test]
async fn with_threshold_one_each_share_is_the_key() {
    let ana = generate();
    let app = App::open(Storage::Memory);
    let body = json!({"holders": [{"name": "ana", "recipient": ana.recipient}], "threshold": 1});
    let answer = app.ask(&format!("PUT sys/regent/init {body}")).await.body;
    let shares = opened(&answer, &ana);
    assert_eq!(STANDARD.decode(&shares[0]).unwrap().len(), 32);
    assert_eq!(unseal(&app, &shares).await, 200);
    assert!(!is_sealed(&app).await);
}

/// S5.7-4: recovery makes new shares and kills the old ones, and every value stays.
#[tokio::test]
async fn recover_unseals_and_kills_the_old_shares() {
    let (app, [ana, ben, lost]) = initialized().await;
    let old = app.ask("GET sys/regent/sealed-shares").await.body;
    unseal(&app, &opened(&old, &lost)).await;
    app.script(&[
        (r#"POST sys/mounts/secret {"type": "kv-v2"}"#, "204"),
        (r#"PUT secret/data/a {"data": {"k": "v"}}"#, r#"200 {"data": {"version": 1}}"#),
        ("PUT sys/seal", "204"),
    ])
    .await;

    let fresh = generate();
    let held = [opened(&old, &ana), opened(&old, &ben)].concat();
    let body = json!({"shares": held, "unseal_recipient": fresh.recipient});
    let new = app.ask(&format!("PUT sys/regent/recover {body}")).await;
    assert_eq!((new.status, &new.body["threshold"]), (200, &json!(2)), "{}", new.body);
    assert!(!is_sealed(&app).await);
    app.check("GET secret/data/a", r#"200 {"data": {"data": {"k": "v"}}}"#).await;
    assert!(opened(&new.body, &lost).is_empty(), "nothing is sealed to the lost identity");

    app.check("PUT sys/seal", "204").await;
    assert_eq!(unseal(&app, &held).await, 400);
    assert_eq!(unseal(&app, &opened(&old, &lost)).await, 400);
    assert!(is_sealed(&app).await);
    let kept = app.ask("GET sys/regent/sealed-shares").await.body;
    assert_eq!(kept["sealed_shares"], new.body["sealed_shares"]);
    assert_eq!(unseal(&app, &opened(&kept, &fresh)).await, 200);
    app.check("PUT sys/seal", "204").await;
    unseal(&app, &[opened(&kept, &ana), opened(&kept, &ben)].concat()).await;
    app.check("GET secret/data/a", r#"200 {"data": {"data": {"k": "v"}}}"#).await;
}

#[tokio::test]
async fn recover_without_enough_right_shares_changes_nothing() {
    let (app, [ana, ben, unattended]) = initialized().await;
    let kept = app.ask("GET sys/regent/sealed-shares").await.body;
    let (one, two) = (opened(&kept, &ana), opened(&kept, &ben));
    let mut forged = STANDARD.decode(&two[0]).unwrap();
    forged[0] ^= 1;
    let forged = STANDARD.encode(forged);
    let key = generate().recipient;
    for shares in [
        json!(null),
        json!([]),
        json!([one[0]]),
        json!([one[0], one[0]]),
        json!([one[0], forged]),
        json!([one[0], "AAAA"]),
        json!([one[0], 7]),
    ] {
        let body = json!({"shares": shares, "unseal_recipient": key});
        let answer = app.ask(&format!("PUT sys/regent/recover {body}")).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
    }
    let right = json!({"shares": [one[0], two[0]], "unseal_recipient": "age1nonsense"});
    assert_eq!(app.ask(&format!("PUT sys/regent/recover {right}")).await.status, 400);
    assert!(is_sealed(&app).await);
    let after = app.ask("GET sys/regent/sealed-shares").await.body;
    assert_eq!(after, kept);
    assert_eq!(unseal(&app, &opened(&kept, &unattended)).await, 200);
}

fn decoded(answer: &Value, otp: &str) -> String {
    let encoded = answer["encoded_token"].as_str().unwrap();
    let bytes = STANDARD_NO_PAD.decode(encoded).unwrap();
    bytes.iter().zip(otp.bytes()).map(|(a, b)| char::from(a ^ b)).collect()
}

#[tokio::test]
async fn shares_give_a_root_token_that_only_the_one_time_pad_reads() {
    let mut app = App::ready().await;
    let start = app.ask("PUT sys/generate-root/attempt").await.body;
    let (nonce, otp) = (start["nonce"].as_str().unwrap(), start["otp"].as_str().unwrap());
    assert_eq!((otp.len(), &start["otp_length"]), (28, &json!(28)));
    app.check(
        "GET sys/generate-root/attempt",
        r#"200 {"started": true, "progress": 0, "required": 2, "otp": "", "complete": false}"#,
    )
    .await;
    let update = |share: &str, nonce: &str| {
        format!("PUT sys/generate-root/update {}", json!({"key": share, "nonce": nonce}))
    };
    app.check(&update(&app.shares[0], "other"), r#"400 {"errors": ["*"]}"#).await;
    app.check(&update(&app.shares[0], nonce), r#"200 {"progress": 1, "complete": false}"#).await;
    let last = app.ask(&update(&app.shares[2], nonce)).await.body;
    assert_eq!(last["complete"], true);
    let token = decoded(&last, otp);
    assert!(token.starts_with("hvs."), "as every token");
    app.with_token(&token, async |app| app.check("GET sys/mounts", r#"200 {"sys/": "*"}"#).await)
        .await;
    app.check("GET sys/generate-root/attempt", r#"200 {"started": false, "nonce": ""}"#).await;
}

/// Reference: CVE-2026-5807. A stranger can neither block nor cancel the attempt of people with
/// shares.
#[tokio::test]
async fn an_attempt_with_shares_is_cancelled_by_its_nonce_or_its_age_only() {
    let app = App::ready().await;
    let first = app.ask("PUT sys/generate-root/attempt").await.body;
    let second = app.ask("PUT sys/generate-root/attempt").await.body;
    assert_ne!(first["nonce"], second["nonce"], "one without shares is replaced");
    let nonce = second["nonce"].as_str().unwrap();
    let body = json!({"key": app.shares[0], "nonce": nonce});
    app.check(&format!("PUT sys/generate-root/update {body}"), r#"200 {"progress": 1}"#).await;
    app.script(&[
        ("PUT sys/generate-root/attempt", r#"400 {"errors": ["~in progress"]}"#),
        ("DELETE sys/generate-root/attempt", r#"400 {"errors": ["~nonce"]}"#),
        ("DELETE sys/generate-root/attempt?nonce=x", r#"400 {"errors": ["~nonce"]}"#),
    ])
    .await;
    app.advance(601);
    app.check("DELETE sys/generate-root/attempt", "204").await;
    let third = app.ask("PUT sys/generate-root/attempt").await.body;
    let nonce = third["nonce"].as_str().unwrap();
    app.check(&format!("DELETE sys/generate-root/attempt?nonce={nonce}"), "204").await;
}

#[tokio::test]
async fn wrong_shares_give_no_root_token_and_end_the_attempt() {
    let app = App::ready().await;
    let mut other = App::open(Storage::Memory);
    other.init().await;
    let start = app.ask("PUT sys/generate-root/attempt").await.body;
    let mut last = 0;
    for share in &other.shares[..2] {
        let body = json!({"key": share, "nonce": start["nonce"]});
        last = app.ask(&format!("PUT sys/generate-root/update {body}")).await.status;
    }
    assert_eq!(last, 400);
    app.check("GET sys/generate-root/attempt", r#"200 {"started": false}"#).await;
    app.check("PUT sys/seal", "204").await;
    app.check("PUT sys/generate-root/attempt", r#"503 {"errors": ["Vault is sealed"]}"#).await;
}
