//! Values that several schemas have.
#![expect(dead_code, reason = "the derived schema is all that is used")]

use utoipa::ToSchema;

/// E.164, like +12065550142
#[derive(ToSchema)]
#[schema(pattern = "^\\+[1-9][0-9]{6,14}$")]
pub(super) struct PhoneNumber(String);

/// RFC 3339, UTC, milliseconds
#[derive(ToSchema)]
#[schema(format = "date-time")]
pub(super) struct Time(String);

/// The id of a queue or a preset.
#[derive(ToSchema)]
#[schema(pattern = "^[A-Za-z0-9_.:-]{1,64}$")]
pub(super) struct ResourceId(String);

/// The code of a language.
#[derive(ToSchema)]
#[schema(pattern = "^[A-Za-z0-9_.:-]{1,16}$")]
pub(super) struct Language(String);

/// The type of a call.
#[derive(ToSchema)]
#[schema(pattern = "^[a-z0-9_-]{1,64}$")]
pub(super) struct CallType(String);

/// How much the caller's number can be trusted.
#[derive(ToSchema)]
pub(super) enum Attestation {
    A,
    B,
    C,
}

/// How a text is encoded for the carrier.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum Encoding {
    Gsm7,
    Ucs2,
}

/// Why a text costs more segments than it could.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum Warning {
    OverOneSegment,
    NotGsm7,
}

/// One page of a list.
macro_rules! pages {
    ($($page:ident of $item:ident;)*) => {
        $(
            #[derive(utoipa::ToSchema)]
            pub(in crate::http::api) struct $page {
                items: Vec<$item>,
                /// The `cursor` of the next page; null on the last one.
                #[schema(required)]
                next_cursor: Option<String>,
            }
        )*
    };
}

pub(super) use pages;
