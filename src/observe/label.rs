//! Labels: closed enums that print as one lower-case word.

macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $label:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every one there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word for it in metrics and logs.
            pub fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)+
                }
            }
        }
    };
}

pub(super) use labels;

labels! {
    /// Why a connection to one of our doors ended.
    ConnectionEnd {
        /// It was closed in good order.
        Closed = "closed",
        /// It broke, or the peer sent what is no HTTP.
        Broken = "broken",
        /// The TLS handshake failed.
        HandshakeFailed = "handshake_failed",
        /// The TLS handshake took too long.
        HandshakeLate = "handshake_late",
        /// The headers took too long.
        HeadersLate = "headers_late",
        /// It was idle for too long.
        Idle = "idle",
        /// The peer did not take our answer.
        WriteLate = "write_late",
        /// We were stopping and it was late.
        Cut = "cut",
    }
}
