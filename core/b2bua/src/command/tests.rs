use super::{CommandError, Digits};

#[test]
fn digits_are_parsed_in_either_case() {
    assert_eq!(Digits::parse("12ad*#").as_ref().map(Digits::as_str), Ok("12AD*#"));
}

#[test]
fn invalid_digit_is_named() {
    assert_eq!(Digits::parse("1E2"), Err(CommandError::InvalidDigit('E')));
}
