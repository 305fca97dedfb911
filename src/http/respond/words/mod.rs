//! The sentences that buyers, shops and check-in staff get in an answer, in both languages.
//!
//! The pages of the ticket office have theirs in `templates/wechat` and in
//! `crate::http::wechat::pages`, its chat in [`crate::wechat::wording`]. Operators get English
//! only, beside the rules of [`crate::operation`].

pub mod faults;
pub mod orders;
pub mod purchase;

use crate::http::extract::manner::Manner;

/// A sentence in Chinese and in English.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<S = &'static str> {
    /// In Chinese, which is the default.
    pub zh: S,
    /// In English.
    pub en: S,
}

impl<S> Text<S> {
    /// In the language that the client prefers.
    pub fn said(self, manner: Manner) -> S {
        if manner.english { self.en } else { self.zh }
    }
}

impl Text {
    /// The same, for a table in which other sentences have values in them.
    pub fn owned(self) -> Text<String> {
        Text {
            zh: self.zh.to_owned(),
            en: self.en.to_owned(),
        }
    }
}

const fn text(zh: &'static str, en: &'static str) -> Text {
    Text { zh, en }
}

/// Nothing was executed.
pub const BUSY: Text = text(
    "系统繁忙，请稍后再试。",
    "The system is busy; please try again later.",
);
