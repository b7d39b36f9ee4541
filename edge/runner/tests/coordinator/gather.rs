//! As whom the API is asked for its facts, and what is known when it does not answer.

use std::path::Path;
use std::process::ExitCode;

use belay_facts::{Facts, Unread};
use belay_node::Link;
use belay_runner::{Clock, Kubeconfig, gather};

use crate::node::UID;
use crate::run::Scene;

pub const CHECK: &str = "check";
const KUBECONFIG: &str = "kubeconfig";
const TOKEN: &str = "belay-canary-secret";

/// Gathers as a check does, and says the facts, or why there are none.
pub fn act(dir: &Path) -> ExitCode {
    rustls::crypto::aws_lc_rs::default_provider().install_default().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let kubeconfig = dir.join(KUBECONFIG).exists().then(|| Kubeconfig::read(&dir.join(KUBECONFIG)).unwrap());
    let gathered = runtime.block_on(async {
        let mut link = Link::open("n1", None).await.unwrap();
        gather(&mut link, &Clock::of_this_machine(), kubeconfig.as_ref()).await
    });
    match gathered {
        Ok(gathered) => println!("{}", serde_json::to_string(&gathered.facts).unwrap()),
        Err(error) => println!("{error}\n{}", error.hint().unwrap()),
    }
    ExitCode::SUCCESS
}

/// Nobody listens there.
fn kubeconfig(scene: &Scene, ca: &str) {
    use base64::Engine as _;
    let ca = base64::engine::general_purpose::STANDARD.encode(ca);
    scene.write(
        KUBECONFIG,
        &format!(
            "current-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: u}}}}]\n\
             clusters: [{{name: k, cluster: {{server: \"https://127.0.0.1:1\", certificate-authority-data: {ca}}}}}]\n\
             users: [{{name: u, user: {{token: {TOKEN}}}}}]\n"
        ),
    );
}

fn unread(said: &str) -> Unread {
    assert!(!said.contains(TOKEN), "{said}");
    let facts = Facts::from_json(said).unwrap_or_else(|error| panic!("{error}: {said}"));
    assert_eq!(facts.cluster, None);
    facts.unread.into_iter().find(|one| one.fact == "cluster").unwrap()
}

pub fn a_kubeconfig_of_another_cluster_is_refused() {
    let scene = Scene::new();
    let key = rcgen::KeyPair::generate().unwrap();
    let other = rcgen::CertificateParams::new(vec!["n1".into()]).unwrap().self_signed(&key).unwrap();
    kubeconfig(&scene, &other.pem());
    let said = scene.acted(CHECK, None);
    assert!(said.contains("is of another cluster than n1") && said.contains("docs/rbac/README.md"), "{said}");
    assert_eq!(scene.asked(), ["inspect"]);
}

pub fn with_a_kubeconfig_nobody_asks_as_administrator() {
    let scene = Scene::new();
    kubeconfig(&scene, &std::fs::read_to_string(scene.dir.path().join("ca")).unwrap());
    let unread = unread(&scene.acted(CHECK, None));
    assert_eq!(scene.asked(), ["inspect"]);
    assert!(unread.why.contains("the API at 127.0.0.1:1, asked with "), "{}", unread.why);
    assert!(unread.fix.unwrap().contains("kubectl --kubeconfig "));
}

pub fn without_root_the_api_is_unknown() {
    let scene = Scene::new();
    scene.write(UID, "1000");
    let unread = unread(&scene.acted(CHECK, None));
    assert_eq!(scene.asked(), ["inspect", "credentials"]);
    assert!(
        unread.why.starts_with("needs root: the API is asked with the administrator's certificate"),
        "{}",
        unread.why
    );
    let fix = unread.fix.unwrap();
    assert!(fix.contains("sudo belay …") && fix.contains("belay check --kubeconfig FILE"), "{fix}");
}
