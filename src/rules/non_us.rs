//! The switch for numbers outside the US (R33-R38).

use super::us_area_codes::US_AREA_CODES;
use crate::model::{E164, NonUs, NonUsRule, Phase};

/// Whether texts to `number` are switched off in this phase of the call.
///
/// The phase selects the switch, and both are evaluated at the time of sending (A35, R37).
pub fn blocked(number: E164, phase: Phase, switches: &NonUs) -> bool {
    let on = match phase {
        Phase::Waiting => switches.wait_time,
        Phase::Connected => switches.in_call,
    };
    !on && !is_us(number, switches.rule)
}

/// Whether `number` counts as a US number (A33): any +1 number, or by area code.
pub fn is_us(number: E164, rule: NonUsRule) -> bool {
    match rule {
        NonUsRule::PlusOne => number.is_plus_one(),
        NonUsRule::StrictUs => number.area_code().is_some_and(|code| US_AREA_CODES.binary_search(&code).is_ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEATTLE: &str = "+12065550142";
    const TORONTO: &str = "+14165550142";
    const JAMAICA: &str = "+18765550142";
    const ROME: &str = "+390612345678";

    #[test]
    fn a33_every_plus_one_number_is_us_under_plus_one() {
        for number in [SEATTLE, TORONTO, JAMAICA] {
            assert!(is_us(number.parse().unwrap(), NonUsRule::PlusOne), "{number}");
        }
        assert!(!is_us(ROME.parse().unwrap(), NonUsRule::PlusOne));
    }

    #[test]
    fn a33_strict_us_excludes_canada_and_the_caribbean() {
        assert!(is_us(SEATTLE.parse().unwrap(), NonUsRule::StrictUs));
        for number in [TORONTO, JAMAICA, ROME] {
            assert!(!is_us(number.parse().unwrap(), NonUsRule::StrictUs), "{number}");
        }
    }

    #[test]
    fn a73_territories_are_us_under_strict_us() {
        for number in ["+17875550142", "+16715550142", "+13405550142", "+16705550142", "+16845550142"] {
            assert!(is_us(number.parse().unwrap(), NonUsRule::StrictUs), "{number}");
        }
    }

    #[test]
    fn a33_area_codes_agree_with_libphonenumber_except_for_territories() {
        use phonenumber::country::Id;
        for code in 200..1_000 {
            let number: E164 = format!("+1{code}5550142").parse().unwrap();
            let region = phonenumber::parse(None, number.to_string()).unwrap().country().id();
            let us = matches!(region, Some(Id::US | Id::PR | Id::GU | Id::VI | Id::MP | Id::AS));
            assert_eq!(is_us(number, NonUsRule::StrictUs), us, "area code {code} is of {region:?}");
        }
    }

    #[test]
    fn r37_a35_each_phase_has_its_own_switch() {
        let rome = ROME.parse().unwrap();
        let switches = |in_call, wait_time| NonUs { in_call, wait_time, rule: NonUsRule::PlusOne };
        assert!(blocked(rome, Phase::Connected, &switches(false, true)));
        assert!(!blocked(rome, Phase::Waiting, &switches(false, true)));
        assert!(!blocked(rome, Phase::Connected, &switches(true, false)));
        assert!(blocked(rome, Phase::Waiting, &switches(true, false)));
    }

    #[test]
    fn r34_r35_r36_the_switch_does_not_affect_us_numbers() {
        let off = NonUs { in_call: false, wait_time: false, rule: NonUsRule::PlusOne };
        assert!(!blocked(SEATTLE.parse().unwrap(), Phase::Connected, &off));
        assert!(blocked(ROME.parse().unwrap(), Phase::Connected, &off));
    }
}
