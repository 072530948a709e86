//! Many clients that change one thing at once, over sockets of their own. Each test has a gateway of its own.

use crate::operate::get;
use crate::shared::{somebody, world};
use offhook::sim::platform::{ApiAnswer, Delivery, NoAnswer};
use serde_json::json;
use std::collections::BTreeSet;
use tokio::task::JoinSet;

/// Clients at once.
const CLIENTS: usize = 32;

/// The answers of all, in no order.
async fn all(clients: JoinSet<Result<ApiAnswer, NoAnswer>>) -> Vec<ApiAnswer> {
    clients.join_all().await.into_iter().map(Result::unwrap).collect()
}

fn etag(answer: &ApiAnswer) -> String {
    answer.headers["etag"].to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_32_changes_of_one_queue_one_wins_each_round_and_the_others_get_its_etag() {
    let world = world().await;
    let _gateway = world.start().await;
    let path = "/v1/queues/support";
    let mut names = Vec::new();
    for round in 0..5 {
        let read = get(&world, path).await;
        let mut clients = JoinSet::new();
        for nth in 0..CLIENTS {
            let (client, etag, mut queue) = (world.client.clone(), etag(&read), read.json.clone());
            queue["name"] = json!(format!("round {round} client {nth}"));
            clients.spawn(async move { client.put_if(path, &etag, &queue).await });
        }
        let answers = all(clients).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        let [won] = &won[..] else { panic!("{} won in round {round}", won.len()) };
        assert_ne!(etag(won), etag(&read));
        for answer in lost {
            assert_eq!((answer.status, answer.code()), (412, "precondition_failed"), "{}", answer.json);
            assert_eq!(etag(answer), etag(won), "the current one, to read and try again");
            assert!(answer.text("/detail").contains("read it again"), "{}", answer.json);
        }
        let now = get(&world, path).await;
        assert_eq!((etag(&now), now.text("/name")), (etag(won), won.text("/name")));
        names.push(won.text("/name").to_owned());
    }
    let audit = get(&world, "/v1/audit?resource=queues/support").await;
    let audited: Vec<_> =
        audit.json["items"].as_array().unwrap().iter().map(|item| item["after"]["name"].clone()).collect();
    names.reverse();
    assert_eq!(audited, names, "one order, and nothing of those who lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_32_starts_of_one_call_one_creates_it_and_all_end_in_one_order() {
    let world = world().await;
    let _gateway = world.start().await;
    let caller = somebody();
    let mut clients = JoinSet::new();
    for nth in 0..CLIENTS {
        let (client, call) = (world.client.clone(), caller.call.clone());
        let body = json!({ "caller": caller.number.to_string(), "queue": "support", "agent": format!("a-{nth}") });
        clients.spawn(async move { client.put_call(&call, &body).await });
    }
    let answers = all(clients).await;
    let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(201), count(200)), (1, CLIENTS - 1));
    let shown = world.client.call(&caller.call).await.unwrap();
    let events = caller.hangs_up(&world).await;
    let changes: Vec<_> = events.iter().filter(|event| event.kind != "call.ended").map(Delivery::json).collect();
    assert_eq!(changes[0]["type"], "call.started");
    assert!(changes[1..].iter().all(|event| event["type"] == "call.updated"), "{changes:?}");
    let sequence: Vec<_> = changes.iter().map(|event| event["call_sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequence, (1..=CLIENTS as u64).collect::<Vec<_>>());
    let agents: BTreeSet<_> = changes.iter().map(|event| event["data"]["agent"].to_string()).collect();
    assert_eq!(agents.len(), CLIENTS, "each change was seen");
    assert_eq!(changes[CLIENTS - 1]["data"]["agent"], shown.json["agent"], "the last one holds");
}
