//! Which texts are policies, and what is said of those that are not.

use super::check;
use crate::policy::parse;

/// All legal for Vault (reference: policy language, what HCL2 parsers refuse).
#[test]
fn every_spelling_that_vault_reads_says_the_same() {
    for text in [
        "path \"s/*\" { capabilities = [\"read\"] }",
        "# c\n// c\n/* c\n c */ path \"s/*\" { # c\n capabilities = [\"read\",] // c\n }",
        r#"path s { capabilities = ["deny"] } "path" "s/*" { "capabilities" = ["read"] }"#,
        r#"path = { "s/*" = { capabilities = ["read"] } }"#,
        r#"path { "s/*" { capabilities = ["read"] } }"#,
        r#"name = "x" path "s/*" { comment = "y", capabilities = ["read"], allowed_parameters { "*" = [] } }"#,
        r#"{"path": {"s/*": {"capabilities": ["read"]}}}"#,
        r#" {"name": "x", "path": [{"s/*": [{"capabilities": ["read"]}]}]}"#,
        r#"{"path": {"t": {"capabilities": ["read"]}}, "path": {"s/*": {"capabilities": ["read"]}}}"#,
        "\u{feff}path \"s\\u002f*\" {\r\n  capabilities = [\"read\"]\r\n}\r\n",
        "path \"s/*\" { capabilities = [<<EOF\nread\nEOF\n] }"
            .replace("<<EOF\nread\nEOF\n", "\"read\"")
            .as_str(),
        "path \"s/*\" { comment = <<-EOT\n    two\n      lines ${x}\n    EOT\n capabilities = [\"read\"] }",
        r#"path "s/*" { comment = "${a "quoted" {b}}" capabilities = ["read"] }"#,
        r#"path "s/*" { policy = "read" }"#,
    ] {
        check(&[text], "read s/x = allow\nupdate s/x = deny\nread other = deny");
    }
}

#[test]
fn the_old_attribute_means_what_it_meant() {
    for (word, table) in [
        ("deny", "read s = deny\nlist s/ = deny"),
        ("read", "read s = allow\nlist s/ = allow\nupdate s = deny"),
        ("write", "create s = allow\nupdate s = allow\ndelete s = allow\npatch s = deny"),
        ("sudo", "read s = sudo\nupdate s = sudo\npatch s = deny"),
    ] {
        check(&[&format!("path \"s\" {{ policy = \"{word}\" }}")], table);
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let deep = format!("path \"a\" {{ allowed_parameters = {{ x = {} }} }}", "[".repeat(40));
    let long = "#".repeat(300 << 10);
    let json_deep = format!("{{\"path\": {}", "[".repeat(200));
    for (text, problem) in [
        (
            "path \"a\" {\n  capabilites = [\"read\"]\n}",
            "2:3: unknown key \"capabilites\" in a path stanza",
        ),
        ("path \"a\" { capabilities = [\"raed\"] }", "1:28: unknown capability \"raed\""),
        ("path \"a\" { capabilities = [\"scan\"] }", "1:28: unknown capability \"scan\""),
        ("paths \"a\" { }", "1:1: unknown key \"paths\"; known: name, path"),
        (
            "path \"a\" { capabilities = \"read\" }",
            "1:27: expected a list of strings, found a string",
        ),
        (
            "path \"a\" { capabilities = [\"read\" \"list\"] }",
            "1:35: expected ',' or ']', found a string",
        ),
        ("path \"a\" { capabilities = [1] }", "1:28: expected a string, found a number"),
        ("path \"a\" {", "1:11: expected a key or '}', found the end of the text"),
        ("path \"a\" { } }", "1:14: expected a key, found '}'"),
        ("path \"a", "1:6: string is not closed"),
        ("path \"a\n\" { }", "1:6: string is not closed on its line"),
        ("path \"a\\q\" { }", "1:8: unknown escape in string"),
        ("path \"a\" = { }", "1:10: expected '{' after the label, found '='"),
        ("/* path", "1:1: comment is not closed"),
        ("path \"a\" { x = <<E\n", "1:16: heredoc is not closed"),
        ("path \"a\" { min_wrapping_ttl = 1z }", "1:31: \"1z\" is no number"),
        ("path \"a\" { min_wrapping_ttl = \"1z\" }", "1:31: expected a duration such as"),
        (
            "path \"a\" { min_wrapping_ttl = \"2s\" max_wrapping_ttl = \"1s\" }",
            "1:6: min_wrapping_ttl is above",
        ),
        ("path \"a/+*\" { }", "1:6: path \"a/+*\": '+*' is forbidden"),
        (
            "path \"a/{{identity.entity.id}}\" { }",
            "1:6: path \"a/{{identity.entity.id}}\": templates are not supported",
        ),
        (
            "path \"a\" { control_group = { } }",
            "1:12: \"control_group\" is not supported by this authority",
        ),
        ("path \"a\" { expiration = \"2030-01-01\" }", "1:12: \"expiration\" is not supported"),
        (
            "path \"a\" { capabilities = [] capabilities = [] }",
            "1:30: \"capabilities\" is given twice",
        ),
        ("path \"a\" { denied_parameters = { x = [] X = [] } }", "parameter \"X\" is given twice"),
        (
            "path \"a\" { policy = \"all\" }",
            "unknown policy \"all\"; known: deny, read, write, sudo",
        ),
        ("path \"a\" { policy = [] }", "expected deny, read, write or sudo, found a list"),
        ("path = \"a\"", "1:8: expected a stanza with a path, found a string"),
        ("%", "1:1: unexpected character '%'"),
        ("{\"path\": }", "1:10: not JSON (Syntax error)"),
        ("{\"path\": {\"a\": {\"capabilities\": null}}}", "expected a list of strings, found null"),
        ("{\"rules\": []}", "unknown key \"rules\""),
        (deep.as_str(), "nested deeper than 16"),
        (json_deep.as_str(), "not JSON (Syntax error)"),
        (long.as_str(), "expected at most 262144 bytes of policy, found 307200"),
    ] {
        let problems = parse(text).expect_err(text);
        assert!(problems.iter().any(|found| found.contains(problem)), "{text}\n{problems:?}");
    }
}

#[test]
fn all_problems_are_told_at_once_up_to_a_bound() {
    let text = "path \"a/+*\" { capabilities = [\"x\", \"y\"] z = 1 }";
    assert_eq!(parse(text).unwrap_err().len(), 4);
    let many = "x = 1\n".repeat(1000);
    assert_eq!(parse(&many).unwrap_err().len(), 32);
}

/// No text makes the parser panic, loop or recurse without end.
#[test]
fn damaged_texts_are_refused_or_read_but_never_fatal() {
    let text =
        "path \"s/*\" { capabilities = [\"read\", 0x1f, 017, -1.5e3, true], a = <<-E\n  x\n  E\n }";
    for end in 0..text.len() {
        let _ = parse(&text[..end]);
        for c in ["{", "}", "\"", "[", "<<", "\\", "${", "-", "=", "\u{0}", "é"] {
            let _ = parse(&format!("{}{c}{}", &text[..end], &text[end..]));
        }
    }
    for one in ["{", "[", "path {", "path = [", "a b ", "/*", "\"${"] {
        let _ = parse(&one.repeat(20_000));
    }
}
