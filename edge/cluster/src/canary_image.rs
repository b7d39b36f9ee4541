use belay_facts::Canary;
use k8s_openapi::api::core::v1::Node;

/// The image for the canary pod: a pause image that the kubelet says is on the node.
///
/// Only a pause image will do: it runs without arguments, does nothing and harms nobody. What another image of the user
/// does when it is started is not ours to find out. The kubelet lists the 50 largest images only, unless
/// `nodeStatusMaxImages` says otherwise, so a pause image can be there and not be listed: then there is no canary.
pub(crate) fn choose(node: &Node) -> Option<Canary> {
    let images = node.status.as_ref()?.images.as_ref()?;
    let names = images.iter().filter_map(|image| image.names.as_ref()).flatten();
    let mut pause: Vec<&String> = names.filter(|name| is_pause(name)).collect();
    // A tag before a digest (it is what people read), then the greatest name, so that the choice is stable.
    pause.sort_by_key(|name| (!name.contains('@'), name.as_str()));
    pause.last().map(|name| Canary { image: (*name).clone() })
}

/// Whether the last part of the repository's path names a pause image: `mirrored-pause`, not `pausegroup/app`.
fn is_pause(name: &str) -> bool {
    let repository = name.split('@').next().unwrap_or_default();
    let last = repository.rsplit('/').next().unwrap_or_default();
    last.split(':').next().unwrap_or_default().contains("pause")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(images: &[&[&str]]) -> Node {
        let images: Vec<_> = images.iter().map(|names| serde_json::json!({ "names": names })).collect();
        serde_json::from_value(serde_json::json!({ "metadata": { "name": "n1" }, "status": { "images": images } }))
            .unwrap()
    }

    fn chosen(images: &[&[&str]]) -> Option<String> {
        choose(&node(images)).map(|canary| canary.image)
    }

    #[test]
    fn takes_the_tag_of_the_pause_image_of_the_capture() {
        let images: &[&[&str]] = &[
            &["docker.io/library/busybox@sha256:8138", "docker.io/library/busybox:lab"],
            &["docker.io/rancher/mirrored-pause@sha256:982d", "docker.io/rancher/mirrored-pause:3.6"],
        ];
        assert_eq!(chosen(images).as_deref(), Some("docker.io/rancher/mirrored-pause:3.6"));
    }

    #[test]
    fn takes_a_digest_when_there_is_no_tag() {
        let images: &[&[&str]] = &[&["registry:5000/pause@sha256:982d"]];
        assert_eq!(chosen(images).as_deref(), Some("registry:5000/pause@sha256:982d"));
    }

    #[test]
    fn starts_no_image_that_it_does_not_know() {
        assert_eq!(chosen(&[&["docker.io/library/busybox:lab"], &["docker.io/pausegroup/app:pause"]]), None);
        assert_eq!(chosen(&[]), None);
        assert_eq!(choose(&Node::default()), None);
    }
}
