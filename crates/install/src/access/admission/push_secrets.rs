//! A publication to one of regent's stores is explicit (C5a-1), goes to a standard path (C5a-2) and to a
//! datasource that its namespace owns (PROTOCOLS.md §6). The same as the publisher refuses, where it can be seen
//! from the object and its namespace; the publisher judges again.

use super::materialized::not_kubernetes;
use super::names::PUSH_SECRETS;
use super::policy::{AdmissionPolicy, BreakGlass, Rule, list};
use super::settings::Settings;
use regent_types::labels::DATASOURCE_PREFIX;

/// `platform-data/{datasource}/{consumer}` or `platform-config/{datasource}/{instance}`, as ESO's users write it.
const PATH: &str = "^(secret/)?(data/)?platform-(data|config)/[a-z0-9]([a-z0-9-]*[a-z0-9])?/[a-z0-9]([a-z0-9-]*[a-z0-9])?$";
/// A property: `username`, `password`, `host`, `port`, `token` and the like.
const PROPERTY: &str = "^[a-z][a-z0-9-]{0,252}$";

pub(super) fn policy(settings: &Settings) -> AdmissionPolicy {
    let stores = list(&settings.stores);
    let ours = format!(
        "has(object.spec) && has(object.spec.secretStoreRefs) && object.spec.secretStoreRefs.exists(r, has(r.kind) && \
         r.kind == 'ClusterSecretStore' && has(r.name) && r.name in {stores})"
    );
    // Finalizers and labels of a PushSecret from before this policy stay everybody's.
    let declared = "oldObject == null || !has(oldObject.spec) || object.spec != oldObject.spec";
    AdmissionPolicy {
        name: PUSH_SECRETS,
        group: "external-secrets.io",
        version: "v1alpha1",
        resource: "pushsecrets",
        operations: &["CREATE", "UPDATE"],
        label: None,
        conditions: vec![
            not_kubernetes(settings),
            ("of-regents-stores", ours),
            ("declares-something-new", declared.into()),
        ],
        variables: vec![
            ("data", "has(object.spec.data) ? object.spec.data : []".into()),
            ("keys", "variables.data.map(d, d.match.remoteRef.remoteKey)".into()),
            (
                "owned",
                "namespaceObject != null && has(namespaceObject.metadata.labels) ? namespaceObject.metadata.labels : {}"
                    .into(),
            ),
        ],
        rules: rules(),
        break_glass: BreakGlass::Allowed,
    }
}

fn rules() -> Vec<Rule> {
    let explicit = "object.spec.secretStoreRefs.all(r, has(r.kind) && r.kind == 'ClusterSecretStore' && has(r.name) && \
         r.name != '' && !has(r.labelSelector)) && (!has(object.spec.dataTo) || object.spec.dataTo.size() == 0) && \
         has(object.spec.selector) && has(object.spec.selector.secret) && has(object.spec.selector.secret.name) && \
         object.spec.selector.secret.name != '' && !has(object.spec.selector.secret.selector) && \
         !has(object.spec.selector.generatorRef) && !has(object.spec.template) && variables.data.size() > 0 && \
         variables.data.all(d, has(d.match.secretKey) && d.match.secretKey != '')";
    let standard = format!(
        "variables.data.all(d, d.match.remoteRef.remoteKey.matches('{PATH}') && has(d.match.remoteRef.property) && \
         d.match.remoteRef.property.matches('{PROPERTY}'))"
    );
    let label = format!("('{DATASOURCE_PREFIX}' + k.split('/')[k.split('/').size() - 2])");
    let owned = format!(
        "variables.keys.all(k, !k.matches('{PATH}') || ({label} in variables.owned && variables.owned[{label}] == \
         'true'))"
    );
    let of = |name, expression: String, expected, action| Rule {
        name,
        expression,
        reason: "Invalid",
        expected,
        action,
    };
    vec![
        of(
            "explicit",
            explicit.into(),
            "named ClusterSecretStores, one named Secret and a secretKey for each mapping, with no dataTo, \
             generatorRef, template or selector",
            "write every mapping out under spec.data",
        ),
        of(
            "standard",
            standard,
            "paths platform-data/DATASOURCE/CONSUMER or platform-config/DATASOURCE/INSTANCE, each with a property, in \
             lowercase with hyphens",
            "rename the path or the property",
        ),
        Rule {
            reason: "Forbidden",
            ..of(
                "datasource",
                owned,
                "a datasource that this namespace owns by a label datasource.regent.dev/NAME = true",
                "publish from the owning namespace, or label this one in Git",
            )
        },
    ]
}
