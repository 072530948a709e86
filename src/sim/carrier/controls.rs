//! What tests do to the carrier that the demo does not.

use super::{Behaviour, Carrier, LookUpAnswer, NumberThere, Post, TokenAnswer, Webhook, hooks, media};
use crate::model::E164;
use crate::sim::{TooLate, wait_until};
use std::io;
use std::time::Duration;

impl Carrier {
    /// Sets the behaviour towards one phone, overriding the general one; `None` removes it.
    pub fn set_behaviour_towards(&self, phone: E164, behaviour: Option<Behaviour>) {
        let mut state = self.core.state();
        match behaviour {
            Some(behaviour) => state.behaviours.insert(phone, behaviour),
            None => state.behaviours.remove(&phone),
        };
    }

    /// Sets what the carrier reports about one of the account's numbers; `None` removes the number from the account.
    pub fn set_number(&self, number: E164, there: Option<NumberThere>) {
        let mut state = self.core.state();
        match there {
            Some(there) => state.numbers.insert(number, there),
            None => state.numbers.remove(&number),
        };
    }

    /// Sets how look-ups of numbers are answered from the next one on.
    pub fn set_look_ups(&self, answer: LookUpAnswer) {
        self.core.state().look_ups = answer;
    }

    /// Sets how requests for tokens are answered from the next one on.
    pub fn set_tokens(&self, answer: TokenAnswer) {
        self.core.state().tokens.answer = answer;
    }

    /// Makes every token invalid that was given so far.
    pub fn revoke_tokens(&self) {
        self.core.state().tokens.revoke();
    }

    /// Requests for tokens so far.
    pub fn token_requests(&self) -> u64 {
        self.core.state().tokens.issued
    }

    /// The numbers looked up so far, once there are `wanted`.
    pub async fn wait_for_look_ups(&self, wanted: usize, deadline: Duration) -> Result<Vec<E164>, TooLate> {
        wait_until(&self.core.news, deadline, (wanted, "look-ups"), || {
            let state = self.core.state();
            let numbers = &state.recorder.record.look_ups;
            if numbers.len() >= wanted { Ok(numbers.clone()) } else { Err(numbers.len()) }
        })
        .await
    }

    /// How often the media with these bytes were requested from the carrier.
    pub fn media_requests(&self, bytes: &[u8]) -> usize {
        media::requests(&self.core, bytes)
    }

    /// Posts a webhook again, byte for byte, as a carrier may for days. It is recorded as a new entry with the same
    /// sid.
    pub async fn repeat(&self, webhook: &Webhook) -> Webhook {
        hooks::repeat(&self.core, webhook).await
    }

    /// Stops listening: sends get no connection. Webhooks in flight continue.
    pub async fn go_down(&self) {
        self.api.close().await;
    }

    /// Listens again, on the same port.
    pub fn come_up(&self) -> io::Result<()> {
        self.api.open()
    }

    /// Numbers of sends read and webhooks posted so far.
    pub fn counts(&self) -> (usize, usize) {
        let state = self.core.state();
        (state.recorder.record.posts.len(), state.recorder.record.webhooks.len())
    }

    /// Connections accepted by the API so far.
    pub fn connections(&self) -> usize {
        self.api.connections()
    }

    /// The sends read, once there are `wanted`.
    pub async fn wait_for_sends(&self, wanted: usize, deadline: Duration) -> Result<Vec<Post>, TooLate> {
        wait_until(&self.core.news, deadline, (wanted, "sends"), || {
            let state = self.core.state();
            let posts = &state.recorder.record.posts;
            if posts.len() >= wanted { Ok(posts.clone()) } else { Err(posts.len()) }
        })
        .await
    }
}
