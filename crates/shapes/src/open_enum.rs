//! Enumerations of the models. They are open: AWS adds values, and old readers must carry them.

/// Declares an enumeration of texts with a variant for each known text and `Other` for the rest.
macro_rules! open_enum {
    ($name:ident { $($variant:ident = $text:literal,)* }) => {
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($variant,)*
            /// A value that the model does not list.
            Other(String),
        }

        impl $name {
            /// The values that the model lists.
            pub const KNOWN: &'static [&'static str] = &[$($text),*];

            /// The value as it stands on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                }
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                match text.as_str() {
                    $($text => Self::$variant,)*
                    _ => Self::Other(text),
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::from(text.to_owned())
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl $crate::Value for $name {
            fn write(&self, encoder: &mut dyn $crate::Encoder) {
                encoder.string(self.as_str());
            }

            fn read(
                decoder: &mut dyn $crate::Decoder,
            ) -> Result<Self, $crate::DecodeError> {
                decoder.string().map(Self::from)
            }
        }
    };
}

pub(crate) use open_enum;
