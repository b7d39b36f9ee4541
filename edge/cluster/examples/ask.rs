//! Asks one server: `cargo run -p belay-cluster --example ask -- DIR NODE [ADDRESS] [gates|probe]`, where DIR holds
//! `server-ca.crt`, `client-admin.crt` and `client-admin.key` (K3s: `server/tls`). Prints the facts as JSON; with `gates`
//! it asks the gates' questions as well (a ConfigMap and a pod come and go); with `probe` it goes on shooting until
//! Ctrl-C, so that K3s can be restarted meanwhile. Prints what the prober measured.

use std::error::Error;
use std::fs::read_to_string;
use std::time::Duration;

use belay_cluster::{Api, Prober};
use belay_facts::Secret;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example for people at a terminal")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (dir, node) = (args.next().ok_or("which directory?")?, args.next().ok_or("which node?")?);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:6443".to_owned());
    let mode = args.next().unwrap_or_default();
    let ca = read_to_string(format!("{dir}/server-ca.crt"))?;
    let certificate = read_to_string(format!("{dir}/client-admin.crt"))?;
    let key = Secret::new(read_to_string(format!("{dir}/client-admin.key"))?);

    let prober = Prober::start(address.as_str(), &ca, &certificate, &key)?;
    let api = Api::connect(address.as_str(), &ca, &certificate, &key).await?;
    let gathered = api.facts(&node, &ca, "cluster.local").await?;
    println!("{}", serde_json::to_string_pretty(&gathered.facts)?);
    gathered.notes.iter().for_each(|note| println!("note: {note}"));
    if mode == "gates" {
        println!("identity: {:?}", api.identity().await?);
        println!("lease: {:?}", api.lease_renewed(&node).await?);
        println!("kubelet: {:?}", api.kubelet_version(&node).await?);
        println!("ready: {:?}", api.node_ready(&node).await?);
        println!("write and read: {:?}", api.write_and_read("ask").await?);
        if let Some(canary) = &gathered.facts.canary {
            println!("canary: {:?}", api.canary_pod("ask", &node, &canary.image, Duration::from_secs(60)).await);
        }
        println!("revision: {}, cleaned up: {:?}", api.revision().await?, api.cleanup("ask").await);
    }
    if mode == "probe" {
        tokio::signal::ctrl_c().await?;
    }
    println!("probe: {}", serde_json::to_string(&prober.stop().await)?);
    Ok(())
}
