use std::os::unix::fs::symlink;

use super::*;

const OLD: &str = "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata:\n  name: web\n";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn with(self, file: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn read(&self) -> ManifestFolder {
        manifest_folder(self.0.path()).unwrap()
    }

    /// `file:line version kind`, `t` behind what a template says.
    fn told(&self) -> Vec<String> {
        let mut told = Vec::new();
        for api in self.read().apis {
            for place in api.places {
                let file = Path::new(&place.file).strip_prefix(self.0.path()).unwrap().display().to_string();
                let template = if place.template { " t" } else { "" };
                told.push(format!("{file}:{} {} {}{template}", place.line, api.api_version, api.kind));
            }
        }
        told.sort();
        told
    }

    /// `file:line why`.
    fn unread(&self) -> Vec<String> {
        let of = |unread: UnreadFile| {
            let file = Path::new(&unread.file).strip_prefix(self.0.path()).unwrap().display().to_string();
            format!("{file}:{} {}", unread.line, unread.why)
        };
        self.read().unread.into_iter().map(of).collect()
    }
}

#[test]
fn yaml_and_json_are_read_and_what_names_no_api_is_not_complained_about() {
    let json = "{\n\t\"apiVersion\": \"batch/v1beta1\",\n\t\"kind\": \"CronJob\"\n}\n";
    let folder = Folder::new()
        .with("a/pdb.yaml", OLD)
        .with("a/job.json", json)
        .with("a/UP.YML", OLD)
        .with("values.yaml", "a: [unclosed\n")
        .with("tsconfig.json", "{ // comment\n}")
        .with("README.md", OLD)
        .with(".git/x.yaml", OLD);
    let told = [
        "a/UP.YML:1 policy/v1beta1 PodDisruptionBudget",
        "a/job.json:2 batch/v1beta1 CronJob",
        "a/pdb.yaml:1 policy/v1beta1 PodDisruptionBudget",
    ];
    assert_eq!(folder.told(), told);
    assert!(folder.unread().is_empty());
    assert_eq!((folder.read().files, folder.read().objects), (5, 3));
    let one = manifest_folder(&folder.path("README.md")).unwrap();
    assert_eq!(
        (one.objects, one.apis[0].places[0].file.ends_with("README.md")),
        (1, true),
        "a file that is named is read"
    );
}

#[test]
fn templates_are_read_by_their_lines_and_say_so() {
    let template = "{{- if .Values.pdb }}\napiVersion: policy/v1beta1\nkind: PodDisruptionBudget\n{{- end }}\n";
    let computed = "apiVersion: {{ include \"x\" . }}\nkind: Ingress\nspec: {{ toYaml .x | nindent 2 }}\n";
    let folder = Folder::new()
        .with("chart/Chart.yaml", "apiVersion: v2\nname: web\n")
        .with("chart/templates/pdb.yaml", template)
        .with("chart/templates/ingress.yaml", computed)
        // It happens to be YAML, and is a template all the same.
        .with(
            "chart/templates/tame.yaml",
            "apiVersion: batch/v1beta1\nkind: CronJob\nmetadata:\n  name: {{ .Release.Name }}\n",
        )
        .with("jinja.yaml", "{% if x %}\napiVersion: batch/v1beta1\nkind: CronJob\n{% endif %}\n");
    let told = [
        "chart/templates/pdb.yaml:2 policy/v1beta1 PodDisruptionBudget t",
        "chart/templates/tame.yaml:1 batch/v1beta1 CronJob t",
        "jinja.yaml:2 batch/v1beta1 CronJob t",
    ];
    assert_eq!(folder.told(), told);
    assert_eq!(folder.unread(), ["chart/templates/ingress.yaml:1 the template computes which API it uses"]);
}

#[test]
fn what_cannot_be_read_is_named_and_never_left_out() {
    let folder = Folder::new()
        .with("broken.yaml", "apiVersion: v1\nkind: [\n")
        .with("binary.yaml", b"apiVersion: v1\0")
        .with("latin.yaml", b"apiVersion: v1 # \xe4")
        .with("vault.yaml", "$ANSIBLE_VAULT;1.1;AES256\n00\n")
        .with("good.yaml", OLD);
    File::create(folder.path("huge.yaml")).unwrap().set_len(LONGEST + 1).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, folder.path("pipe.yaml"), rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
    symlink("/etc/hostname", folder.path("out.yaml")).unwrap();
    symlink("/etc", folder.path("away")).unwrap();
    symlink("nowhere", folder.path("dangling.yaml")).unwrap();
    let named: Vec<String> = folder.unread().iter().map(|line| line.split_once(':').unwrap().0.to_owned()).collect();
    let all = [
        "away",
        "binary.yaml",
        "broken.yaml",
        "dangling.yaml",
        "huge.yaml",
        "latin.yaml",
        "out.yaml",
        "pipe.yaml",
        "vault.yaml",
    ];
    assert_eq!(named, all);
    assert_eq!(folder.told(), ["good.yaml:1 policy/v1beta1 PodDisruptionBudget"]);
}

#[test]
fn links_within_are_read_once_and_rounds_end() {
    let folder = Folder::new().with("a/pdb.yaml", OLD).with("a/text", OLD);
    symlink("pdb.yaml", folder.path("a/again.yaml")).unwrap();
    symlink("text", folder.path("a/text.yaml")).unwrap();
    symlink("../..", folder.path("a/round")).unwrap();
    symlink("..", folder.path("a/up")).unwrap();
    assert_eq!(
        folder.told(),
        ["a/pdb.yaml:1 policy/v1beta1 PodDisruptionBudget", "a/text:1 policy/v1beta1 PodDisruptionBudget"]
    );
    assert_eq!(folder.unread(), ["a/round:0 a link that leads out of the folder is not followed"]);
}

#[test]
fn a_folder_of_directories_ends() {
    let deep = format!("{}x.yaml", "d/".repeat(DEEPEST + 5));
    let folder = Folder::new().with(&deep, OLD).with("good.yaml", OLD);
    assert_eq!(folder.told().len(), 1);
    assert!(folder.unread()[0].ends_with("deeper than 40 directories"));
    let error = manifest_folder(&folder.path("none")).unwrap_err();
    assert!(error.to_string().contains("none"), "{error}");
}
