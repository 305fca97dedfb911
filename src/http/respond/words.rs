//! What people are told, in both languages.

use crate::http::extract::manner::Manner;

/// A sentence in both languages.
pub struct Sentence {
    chinese: &'static str,
    english: &'static str,
}

impl Sentence {
    /// The same in Chinese and in English.
    pub const fn new(chinese: &'static str, english: &'static str) -> Self {
        Self { chinese, english }
    }

    /// In the language that the client prefers.
    pub fn said(&self, manner: Manner) -> &'static str {
        if manner.english {
            self.english
        } else {
            self.chinese
        }
    }
}
