//! What can be made to go wrong in the simulated cluster, one thing at a time.

/// A fault of the simulated cluster. Each shows itself in the words of the component that has it on a real one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Everything works.
    #[default]
    None,
    /// The registry doesn't have the version that is asked for.
    WrongVersion,
    /// Helm's image isn't where the Job says.
    HelmImage,
    /// Crossview's image isn't where the chart says.
    AppImage,
    /// Whoever looks at the page may read but not write.
    NoRights,
    /// Nothing answers; what runs in the cluster goes on.
    Unreachable,
    /// Answers take seconds, images take longer.
    Slow,
    /// Crossview ends with an error as soon as it starts.
    CrashLoop,
    /// Crossview starts and never becomes ready.
    NeverReady,
    /// No node has room for Helm's pod.
    Unschedulable,
    /// A quota lets no more pods into the namespace.
    Quota,
    /// Helm needs more memory than it may have.
    OutOfMemory,
    /// The registry's host is there and refuses connections.
    RegistryRefuses,
    /// The registry takes the connection and never answers, until the Job's deadline.
    RegistrySilent,
}

impl Fault {
    /// All of them, as a list to choose from has them.
    pub const ALL: [Self; 14] = [
        Self::None,
        Self::WrongVersion,
        Self::HelmImage,
        Self::AppImage,
        Self::NoRights,
        Self::Unreachable,
        Self::Slow,
        Self::CrashLoop,
        Self::NeverReady,
        Self::Unschedulable,
        Self::Quota,
        Self::OutOfMemory,
        Self::RegistryRefuses,
        Self::RegistrySilent,
    ];

    /// A name for URLs and tests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::WrongVersion => "wrong-version",
            Self::HelmImage => "helm-image",
            Self::AppImage => "app-image",
            Self::NoRights => "no-rights",
            Self::Unreachable => "unreachable",
            Self::Slow => "slow",
            Self::CrashLoop => "crash-loop",
            Self::NeverReady => "never-ready",
            Self::Unschedulable => "unschedulable",
            Self::Quota => "quota",
            Self::OutOfMemory => "out-of-memory",
            Self::RegistryRefuses => "registry-refuses",
            Self::RegistrySilent => "registry-silent",
        }
    }

    /// What it is, for the list of the preview.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::None => "nothing goes wrong",
            Self::WrongVersion => "wrong version",
            Self::HelmImage => "Helm's image can't be pulled",
            Self::AppImage => "Crossview's image can't be pulled",
            Self::NoRights => "no rights",
            Self::Unreachable => "cluster unreachable",
            Self::Slow => "slow",
            Self::CrashLoop => "Crossview crashes",
            Self::NeverReady => "Crossview never becomes ready",
            Self::Unschedulable => "no node has room",
            Self::Quota => "quota used up",
            Self::OutOfMemory => "Helm runs out of memory",
            Self::RegistryRefuses => "registry refuses connections",
            Self::RegistrySilent => "registry never answers",
        }
    }

    /// The fault of this [`Fault::name`].
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }
}
