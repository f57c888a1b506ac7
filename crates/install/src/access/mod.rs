//! Who may do what: one table, from which RBAC objects, authority roles and authority policies are generated,
//! and against which `regent verify` compares the live ones (DESIGN.md §2, C7-1).
//!
//! ```text
//! identity    the ServiceAccounts          rbac        what each may do on the API server
//! authority   what each may do in the authority: ACL policies and roles of the login mount
//! neighbours  policies of other installations on the same authority
//! admission/  which Secrets and declarations whoever may write at all may write: ValidatingAdmissionPolicies
//! ```

pub mod admission;
pub mod authority;
pub mod neighbours;
pub mod rbac;
