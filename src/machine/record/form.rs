//! Declarations of forms: one line per field and per variant.
//!
//! A struct is its fields in this order. `#[since(5)]` marks a field that versions before 5 lack; it is read as its
//! default there. An enum's variant has the number before it. A line never changes its place, type or number: new
//! fields go to the end, and a number is never used twice. A variant that the model no longer has stays readable after
//! `was`. `tests/records/forms.txt` holds all lines.
//!
//! A field or variant that is new in the model does not compile until it has a line here.

/// Gives each of the declared types its form.
macro_rules! stored {
    ($($kind:tt $name:ident $body:tt)*) => {
        $($crate::machine::record::form::one! { $kind $name $body })*

        /// The declared forms as text: a type, and its lines.
        #[cfg(test)]
        pub(super) const FORMS: &[(&str, &[&str])] =
            &[$($crate::machine::record::form::lines! { $kind $name $body }),*];
    };
}

macro_rules! one {
    (struct $name:ident { $($(#[since($since:literal)])? $field:ident: $type:ty),* $(,)? }) => {
        impl Stored for $name {
            fn write(&self, writer: &mut Writer) {
                let Self { $($field),* } = self;
                $(<$type as Stored>::write($field, writer);)*
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
                Ok(Self { $($field: $crate::machine::record::form::field!(reader $type $(, $since)?)),* })
            }
        }
    };
    (enum $name:ident { $(
        $number:literal => $variant:ident
            $(($($item:ident: $item_type:ty),*))?
            $({ $($(#[since($since:literal)])? $field:ident: $type:ty),* $(,)? })?
    ),* $(,)? $(; $($old:literal was { $($was:ident: $was_type:ty),* } => $now:expr),* $(,)?)? }) => {
        impl Stored for $name {
            fn write(&self, writer: &mut Writer) {
                match self {
                    $(Self::$variant $(($($item),*))? $({ $($field),* })? => {
                        writer.number($number);
                        $($(<$item_type as Stored>::write($item, writer);)*)?
                        $($(<$type as Stored>::write($field, writer);)*)?
                    })*
                }
            }

            #[deny(unreachable_patterns, reason = "a number stands twice")]
            fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
                match reader.number()? {
                    $($number => Ok(Self::$variant
                        $(($(<$item_type as Stored>::read(reader)?),*))?
                        $({ $($field: $crate::machine::record::form::field!(reader $type $(, $since)?)),* })?
                    ),)*
                    $($($old => {
                        $(let $was = <$was_type as Stored>::read(reader)?;)*
                        Ok($now)
                    })*)?
                    unknown => Err(Invalid::Number(stringify!($name), unknown)),
                }
            }
        }

        impl Named for $name {
            fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => stringify!($variant),)*
                }
            }
        }
    };
}

macro_rules! field {
    ($reader:ident $type:ty) => {
        <$type as Stored>::read($reader)?
    };
    ($reader:ident $type:ty, $since:literal) => {
        $reader.since::<$type>($since)?
    };
}

#[cfg(test)]
macro_rules! lines {
    (struct $name:ident { $($(#[since($since:literal)])? $field:ident: $type:ty),* $(,)? }) => {
        (concat!("struct ", stringify!($name)), &[
            $(concat!(stringify!($field), ": ", stringify!($type) $(, ", since ", $since)?)),*
        ])
    };
    (enum $name:ident { $(
        $number:literal => $variant:ident
            $(($($item:ident: $item_type:ty),*))?
            $({ $($(#[since($since:literal)])? $field:ident: $type:ty),* $(,)? })?
    ),* $(,)? $(; $($old:literal was { $($was:ident: $was_type:ty),* } => $now:expr),* $(,)?)? }) => {
        (concat!("enum ", stringify!($name)), &[
            $(concat!($number, " ", stringify!($variant)
                $($(, "; ", stringify!($item_type))*)?
                $($(, "; ", stringify!($field), ": ", stringify!($type) $(, ", since ", $since)?)*)?
            ),)*
            $($(concat!($old, " was" $(, "; ", stringify!($was), ": ", stringify!($was_type))*),)*)?
        ])
    };
}

#[cfg(test)]
pub(super) use lines;
pub(super) use {field, one, stored};

/// The name of an enum's variant, as declared.
pub trait Named {
    /// The name.
    fn name(&self) -> &'static str;
}
