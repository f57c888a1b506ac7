//! Another cluster on the authority of the first (C9-1): of the same installation, from the same Git, or of one of its
//! own, from a Git of its own.

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use regent_gitops::gitrepo;
use regent_host::connect;
use regent_lab::options::{AuthorityChoice, External, Options};
use regent_lab::system::System;
use regent_types::Sensitive;
use regent_types::identity::Identity;
use regent_vault::Session;
use serde_json::Value;

use crate::World;
use crate::binary;
use crate::second::Second;
use crate::waits;
use crate::world::DECLARED;
use crate::worlds::Lent;

/// Where Git declares the one store, in the example.
const STORE: &str = "regent/store.yaml";

impl World {
    /// Starts another cluster, with a CA and keys of its own, from the same Git and on the same authority.
    pub async fn start_second(&mut self) -> Result<()> {
        let git = self.folder("kept").join("git");
        self.start_beside(git.display().to_string()).await
    }

    /// Starts a cluster of installation `name` that logs in at `mount`, judged by its keys. Its Git is the first's but
    /// for that, and for `further`, a file of its own.
    pub async fn start_installation(
        &mut self,
        name: &str,
        mount: &str,
        further: &str,
    ) -> Result<()> {
        let mut files = gitrepo::list(&self.folder("kept").join("git"), "main")?;
        let mut change = |file: &str, before: &str, after: String| -> Result<()> {
            let text = files.get(file).with_context(|| format!("no {file} in Git"))?;
            let text = String::from_utf8(text.clone())?;
            ensure!(text.contains(before), "expected {before:?} in {file}");
            files.insert(file.to_owned(), text.replace(before, &after).into_bytes());
            Ok(())
        };
        let declared = "  installation: example-platform";
        let login = format!("    login: {{mount: {mount}, method: Keys}}\n  installation: {name}");
        change(DECLARED, declared, login)?;
        change(STORE, "mountPath: kubernetes", format!("mountPath: {mount}"))?;
        files.insert("own.yaml".to_owned(), further.as_bytes().to_vec());
        let place = self.folder("git-of-second");
        gitrepo::create(&place, &files, "the second installation", Timestamp::now())?;
        self.start_beside(place.display().to_string()).await
    }

    async fn start_beside(&mut self, repository: String) -> Result<()> {
        ensure!(self.second.is_none(), "the second cluster runs");
        let mut options: Options = self.options.clone();
        options.repo = Some(repository);
        options.identity = Some(self.folder("kept.root-of-trust"));
        options.data_dir = None;
        let AuthorityChoice::External(external) = &mut options.authority else {
            bail!("two clusters share an authority that is neither's own: OpenBao")
        };
        // The account in the authority's pod is the first cluster's.
        external.pod = None;
        let mut lent = None;
        if self.lent.is_some() {
            let cluster = Lent::take().await?;
            options.kubeconfig = Some(cluster.real()?.kubeconfig());
            lent = Some(cluster);
        }
        self.second = Some(Second { system: System::start(&options).await?, lent });
        Ok(())
    }

    fn beside(&self) -> Result<&Second> {
        self.second.as_ref().context("there is no second cluster")
    }

    /// The admin's client of the second cluster.
    pub fn second(&self) -> Result<kube::Client> {
        Ok(self.beside()?.system.admin())
    }

    /// The one human act for the second cluster, by the commands that a person gives: the first cluster's sealed shares
    /// are printed and kept, and let the second one in.
    pub async fn join_second(&mut self) -> Result<()> {
        let first = self.system().await?.admin_kubeconfig()?;
        let shares = self.command(&first, &["authority", "shares"]).await?;
        let kept = self.folder("sealed-shares.yaml");
        std::fs::write(&kept, shares)?;
        let second = self.beside()?.system.admin_kubeconfig()?;
        let (kept, holders) = (kept.display().to_string(), self.folder("kept.root-of-trust"));
        let holders = holders.display().to_string();
        let join = ["authority", "join", "--identity", &holders, "--shares", &kept];
        let said = self.command(&second, &join).await?;
        ensure!(said.contains("let in with the shares of"), "it said {said:?}");
        Ok(())
    }

    /// The rows that `regent verify` prints in the second cluster, for its admin; an error where it finds anything.
    pub async fn verify_second(&self) -> Result<Vec<Value>> {
        let second = self.beside()?.system.admin_kubeconfig()?;
        let printed = self.command(&second, &["verify", "--output", "json"]).await?;
        Ok(serde_json::from_str(&printed)?)
    }

    /// What `regent` prints, run by an admin whose kubeconfig this is.
    async fn command(&self, kubeconfig: &Sensitive<String>, args: &[&str]) -> Result<String> {
        let (config, ca) = (self.folder("kubeconfig"), self.folder("authority-ca.crt"));
        std::fs::write(&config, kubeconfig.expose())?;
        let AuthorityChoice::External(External { ca_pem: Some(pem), .. }) = &self.options.authority
        else {
            bail!("no authority with a CA of its own")
        };
        std::fs::write(&ca, pem)?;
        let env = [("KUBECONFIG", config), ("VAULT_CACERT", ca)];
        let env = env.map(|(name, path)| (name.to_owned(), path.display().to_string()));
        let done = binary::say(args, env.into()).await?;
        let told = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "{}: {told}", done.status);
        Ok(String::from_utf8(done.stdout)?)
    }

    /// A session of the second cluster's reader with the authority.
    pub async fn reader_of_second(&self) -> Result<Session> {
        let system = &self.beside()?.system;
        let vault = system.vault()?;
        let mount = connect::login_mount(&system.admin()).await?;
        let jwt = || system.token(Identity::Reader);
        waits::login(&vault, &mount, &Identity::Reader.account(), jwt).await
    }

    /// What the second cluster's components logged, for the message of a failed scenario.
    pub fn logs_of_second(&self) -> String {
        self.second.as_ref().map(|second| second.system.logs()).unwrap_or_default()
    }
}
