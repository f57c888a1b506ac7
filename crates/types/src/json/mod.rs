//! JSON as a tree whose numbers stay the tokens that they were written as: `1.10`, `1E5`, `1e400` and
//! `12345678901234567890123` come back byte for byte. Its values may be secret: `Debug` prints none,
//! and [`Json::wipe`] overwrites what is freed.

mod number;
mod parse;
mod value;

pub use number::NumberToken;
pub use parse::ParseError;
pub use value::{Json, Object};

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn again(text: &str) -> String {
        serde_json::to_string(&Json::parse(text.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn v03_numbers_come_back_byte_for_byte() {
        for text in [
            r#"{"big":12345678901234567890123}"#,
            "[1.10,1E5,1e400,-0,0.0,1e+5,1.0E-7,18446744073709551616,-9223372036854775809]",
            r#"{"a":{"b":[{"c":0.1000000000000000055511151231257827}]}}"#,
        ] {
            assert_eq!(again(text), text);
        }
        let nested: BTreeMap<String, Json> = serde_json::from_str(r#"{"a": [1E5]}"#).unwrap();
        assert_eq!(serde_json::to_string(&nested).unwrap(), r#"{"a":[1E5]}"#);
    }

    #[test]
    fn nothing_is_printed_and_everything_is_wiped() {
        let mut value = Json::parse(br#"{"a": "planted", "b": [4711, {"c": "planted"}]}"#).unwrap();
        assert_eq!(format!("{value:?}"), "Json(..)");
        value.wipe();
        assert_eq!(serde_json::to_string(&value).unwrap(), r#"{"a":"","b":[0,{"c":""}]}"#);
    }

    #[test]
    fn values_made_in_code_print_as_they_did() {
        let made = serde_json::json!({"n": 7, "f": 1.5, "t": "é\n", "l": [null, true, -3]});
        assert_eq!(serde_json::to_string(&Json::from(made.clone())).unwrap(), made.to_string());
    }
}
