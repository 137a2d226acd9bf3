//! The form is that of RFC 8785, as another implementation has it.

use super::Canonical;
use proptest::prelude::*;
use serde_json::{Value, json};

fn ours(value: &Value) -> String {
    let mut writer = Canonical::default();
    writer.write(value, 0).unwrap();
    String::from_utf8(writer.out).unwrap()
}

fn theirs(value: &Value) -> String {
    serde_json_canonicalizer::to_string(value).unwrap()
}

#[test]
fn the_example_of_the_rfc() {
    let text = r#"{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],
        "string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}"#;
    let value: Value = serde_json::from_str(text).unwrap();
    let right = "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
                 \"string\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
    assert_eq!(ours(&value), right);
}

#[test]
fn names_are_in_the_order_of_utf_16() {
    let value = json!({"\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7});
    assert_eq!(ours(&value), theirs(&value));
}

#[test]
fn integers_are_held_to_what_every_reader_has() {
    for number in [
        json!(u64::MAX),
        json!(1_u64 << 53),
        json!(1.8e19),
        json!(9_007_199_254_740_992.0),
    ] {
        assert_eq!(ours(&number), "9007199254740991", "{number}");
    }
    assert_eq!(ours(&json!(i64::MIN)), "-9007199254740991");
    assert_eq!(ours(&json!(9_007_199_254_740_991_u64)), "9007199254740991");
    assert_eq!(ours(&json!(1e21)), "1e+21");
}

#[test]
fn what_is_too_deep_for_readers_is_left_out() {
    let mut deep = json!("the end");
    for _ in 0..10_000 {
        deep = Value::Array(vec![deep, json!({"x": 1})]);
    }
    let text = ours(&deep);
    assert!(text.contains("[nested too deep]") && !text.contains("the end"));
    assert!(serde_json::from_str::<Value>(&text).is_ok());
    // Dropping it the usual way would use as much stack as it is deep.
    while let Value::Array(mut inner) = deep {
        deep = inner.swap_remove(0);
    }
}

#[test]
fn long_strings_are_cut_at_a_character() {
    let mut writer = Canonical::default();
    writer
        .write(&json!({"a": "\u{e9}\u{e9}\u{e9}"}), 3)
        .unwrap();
    assert_eq!(
        String::from_utf8(writer.out).unwrap(),
        "{\"a\":\"\u{e9}\u{2026}[4 bytes more]\"}"
    );
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991_i64..9_007_199_254_740_991).prop_map(Value::from),
        any::<f64>().prop_filter_map("beyond", |number| {
            let integer = (9e15..1e21).contains(&number.abs());
            (number.is_finite() && !integer).then(|| Value::from(number))
        }),
        (-12..12, any::<i16>())
            .prop_map(|(power, n)| Value::from(f64::from(n) * 10_f64.powi(power))),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn it_is_what_another_implementation_writes(value in value()) {
        let text = ours(&value);
        prop_assert_eq!(&text, &theirs(&value));
        let read: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(ours(&read), text, "read and written again it is the same");
    }
}
