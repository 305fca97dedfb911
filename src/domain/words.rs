//! Macros for the types that are a text with a rule, and for closed sets of words.

/// A text that keeps a rule: made by `parse` only.
///
/// ```text
/// text! {
///     /// What it is.
///     pub struct Name(&str) is "name": valid, "the rule, for people"
/// }
/// ```
macro_rules! text {
    (
        $(#[$meta:meta])*
        pub struct $name:ident($from:ty) is $what:literal: $is_valid:expr, $rule:literal
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Accepts exactly the rule above.
            pub fn parse(text: $from) -> Result<Self, $crate::domain::Invalid> {
                let is_valid: fn(&str) -> bool = $is_valid;
                if !is_valid(text.as_ref()) {
                    return Err($crate::domain::Invalid {
                        what: $what,
                        rule: $rule,
                    });
                }
                Ok(Self(text.into()))
            }

            /// The text, as it came.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// A closed set in which each value has a word. `ALL` has every value, `word` gives its word, and
/// `parse` finds a value by it; `None` if no value has the word.
macro_rules! words {
    (
        $(#[$meta:meta])*
        pub enum $name:ident, $word:ident: {
            $($(#[$doc:meta])* $variant:ident = $text:literal,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            /// Every value, for tables and tests.
            pub const ALL: [Self; [$($text),*].len()] = [$(Self::$variant),*];

            /// The word in Lua and, if nothing else is said, in records, answers, logs and metrics.
            pub const fn $word(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// The value of a word; `None` if the word is unknown.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|value| value.$word() == word)
            }
        }
    };
}

pub(crate) use {text, words};

#[cfg(test)]
mod tests {
    words! {
        /// For this test.
        pub enum Fruit, word: {
            /// One.
            Apple = "apple",
            /// Another one.
            Pear = "pear",
        }
    }

    #[test]
    fn a_value_is_found_by_its_word() {
        assert_eq!(Fruit::ALL.map(Fruit::word), ["apple", "pear"]);
        assert_eq!(Fruit::parse("pear"), Some(Fruit::Pear));
        assert_eq!(Fruit::parse("plum"), None);
    }
}
