//! Secrets in every kind of structure, with [`InClear`] and without it.

use crate::InClear;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
struct Password(#[serde(serialize_with = "crate::serialize")] String);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Credentials {
    user: String,
    #[serde(serialize_with = "crate::serialize")]
    key: Vec<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<char>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pair(u8, Password);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Empty,
    One(Password),
    Two(i64, Password),
    Named { is_old: bool, password: Option<Password> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    Login { password: Password, weight: f64 },
}

fn password() -> Password {
    Password("tulip".to_owned())
}

/// Checks that the value is serialized only in clear, and read back unchanged.
fn check<T: Serialize + for<'de> Deserialize<'de> + PartialEq + core::fmt::Debug>(value: &T, json: &str) {
    let refused = serde_json::to_string(value).unwrap_err().to_string();
    assert!(refused.contains("only inside state that is encrypted as a whole"), "{refused}");
    assert!(serde_json::to_value(value).is_err());
    let clear = serde_json::to_string(&InClear(value)).unwrap();
    assert_eq!(clear, json);
    assert_eq!(&serde_json::from_str::<T>(&clear).unwrap(), value);
    assert_eq!(serde_json::to_value(InClear(value)).unwrap(), serde_json::from_str::<serde_json::Value>(json).unwrap());
}

#[test]
fn secret_is_serialized_only_in_clear() {
    let credentials = Credentials { user: "101".to_owned(), key: vec![1, 2], note: None };
    check(&password(), r#""tulip""#);
    check(&credentials, r#"{"user":"101","key":[1,2]}"#);
    check(&Credentials { note: Some('n'), ..credentials }, r#"{"user":"101","key":[1,2],"note":"n"}"#);
}

#[test]
fn secret_in_compound_value_is_serialized_only_in_clear() {
    check(&Some(password()), r#""tulip""#);
    check(&vec![password()], r#"["tulip"]"#);
    check(&(7_u32, password()), r#"[7,"tulip"]"#);
    check(&Pair(7, password()), r#"[7,"tulip"]"#);
    check(&BTreeMap::from([("101".to_owned(), password())]), r#"{"101":"tulip"}"#);
    let key = BTreeMap::from([(password(), ())]);
    assert!(serde_json::to_string(&key).is_err());
    assert_eq!(serde_json::to_string(&InClear(&key)).unwrap(), r#"{"tulip":null}"#);
}

#[test]
fn secret_in_enum_is_serialized_only_in_clear() {
    check(&Shape::One(password()), r#"{"One":"tulip"}"#);
    check(&Shape::Two(-7, password()), r#"{"Two":[-7,"tulip"]}"#);
    let named = Shape::Named { is_old: true, password: Some(password()) };
    check(&named, r#"{"Named":{"is_old":true,"password":"tulip"}}"#);
    check(&Tagged::Login { password: password(), weight: 0.5 }, r#"{"kind":"Login","password":"tulip","weight":0.5}"#);
}

#[test]
fn value_without_secret_is_the_same_in_clear() {
    let value = (Shape::Empty, Unit, Shape::Named { is_old: false, password: None }, None::<Password>);
    let plain = serde_json::to_string(&value).unwrap();
    assert_eq!(plain, serde_json::to_string(&InClear(&value)).unwrap());
    assert_eq!(plain, r#"["Empty",null,{"Named":{"is_old":false,"password":null}},null]"#);
}
