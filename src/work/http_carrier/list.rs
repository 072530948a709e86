//! Reading an account's list of messages at its carrier.

use super::HttpLink;
use super::look_up::{NoAnswer, without_token};
use crate::carrier::{Dialect, ListPart, ListStep, PAGE_MAX_BYTES, Page, requested_wait};
use crate::engine::wall;
use crate::model::{InboundMedia, Timestamp};
use std::sync::Arc;

/// Reads the list of an account, in the account's dialect over the account's connections.
pub struct Lists {
    dialect: Arc<dyn Dialect>,
    link: HttpLink,
}

/// A part of the list.
#[derive(Debug)]
pub enum ListAnswer {
    /// A page of messages.
    Page(Page),
    /// The media of a message.
    Media(Vec<InboundMedia>),
}

impl Lists {
    /// The list in this dialect over this link; `None` if the carrier has none.
    pub fn new(dialect: Arc<dyn Dialect>, link: HttpLink) -> Option<Self> {
        let first = ListPart::Page { since: Timestamp::default(), next: None };
        let has_list = !matches!(dialect.list(&first, None, None), ListStep::NoList);
        has_list.then_some(Self { dialect, link })
    }

    /// Reads a part by one request.
    pub async fn read(&self, part: &ListPart) -> Result<ListAnswer, NoAnswer> {
        let token = self.link.token(&*self.dialect).await.map_err(|no_token| without_token(&no_token))?;
        let request = match self.dialect.list(part, None, token.as_ref()) {
            ListStep::Request(request) => *request,
            step => return result(step),
        };
        let answer = self.link.client.accepting(PAGE_MAX_BYTES).send(request).await;
        let answer = answer.map_err(|failed| NoAnswer::passing(failed.to_string()))?;
        if answer.cut {
            return Err(NoAnswer::passing("a page of the carrier's list is too long"));
        }
        let answer = answer.into();
        let read = result(self.dialect.list(part, Some(&answer), token.as_ref()));
        if read.is_err() {
            self.link.forget_refused(Some(&answer), token).await;
        }
        read.map_err(|failed| NoAnswer { retry_after: requested_wait(answer.headers(), wall()), ..failed })
    }
}

fn result(step: ListStep) -> Result<ListAnswer, NoAnswer> {
    match step {
        ListStep::Page(page) => Ok(ListAnswer::Page(page)),
        ListStep::Media(media) => Ok(ListAnswer::Media(media)),
        ListStep::Failed { reason, retryable: true } => Err(NoAnswer::passing(reason)),
        ListStep::Failed { reason, retryable: false } => Err(NoAnswer::lasting(reason)),
        ListStep::NoList => Err(NoAnswer::lasting("the carrier has no list of messages")),
        ListStep::Request(_) => Err(NoAnswer::lasting("a part of the list takes two requests (bug)")),
    }
}
