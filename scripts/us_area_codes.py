#!/usr/bin/env python3
"""Writes src/rules/us_area_codes.rs: the area codes of +1 that count as United States under `strict_us`.

    python3 -m venv venv && venv/bin/pip install phonenumbers==9.0.33
    venv/bin/python scripts/us_area_codes.py > src/rules/us_area_codes.rs

The source is libphonenumber's metadata, which files toll-free and personal numbers of the whole +1 area under the US. The
five territories are added: US carriers serve them under US rules (A73). A test compares the table with the crate
`phonenumber`, so use the version whose metadata that crate has.
"""

import datetime
import phonenumbers

TERRITORIES = {"PR", "GU", "VI", "MP", "AS"}


def is_us(code):
    number = phonenumbers.parse(f"+1{code}5550142")
    region = phonenumbers.region_code_for_number(number)
    return region == "US" or region in TERRITORIES


codes = [code for code in range(200, 1000) if is_us(code)]
print(f"""//! +1 area codes that count as United States: states, D.C., territories (A73), and non-geographic codes (toll-free).
//!
//! Written by `scripts/us_area_codes.py` on {datetime.date.today()} from libphonenumber {phonenumbers.__version__}.

/// In ascending order.
#[rustfmt::skip]
pub(super) const US_AREA_CODES: [u16; {len(codes)}] = [""")
for start in range(0, len(codes), 20):
    print("    " + " ".join(f"{code}," for code in codes[start : start + 20]))
print("];")
