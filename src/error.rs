//! One error for the whole library: what happened, where, and what to do.
//!
//! An [`Error`] has a [`Reason`] (a number that is never reused, in ranges by layer), the return [`Code`] that the
//! reason implies, and, as far as they are known, the volume serial, the track and the data set name that it is about.
//! The names are kept as the plain bytes that lie on the volume, so that this layer needs no other.

use std::fmt;

/// The result of everything in this library that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// The five return codes, as on the mainframe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum Code {
    /// Done.
    Done = 0,
    /// Done with remarks, or there is more to do.
    More = 4,
    /// Refused; nothing was changed.
    Refused = 8,
    /// The environment failed (I/O, space, locks); what was begun can be resumed.
    Environment = 12,
    /// The library failed: a rule that it relies on does not hold.
    Internal = 16,
}

macro_rules! reasons {
    ($( $name:ident = $number:literal, $code:ident, $text:literal; )*) => {
        /// Why something failed. The numbers have a range for each layer and are never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        #[repr(u32)]
        pub enum Reason { $( #[doc = $text] $name = $number, )* }

        impl Reason {
            /// Every reason, in the order of their numbers.
            pub const ALL: &'static [Reason] = &[ $( Reason::$name, )* ];

            /// The return code that this reason implies.
            pub const fn code(self) -> Code { match self { $( Reason::$name => Code::$code, )* } }

            /// What the reason means, in a few words.
            pub const fn text(self) -> &'static str { match self { $( Reason::$name => $text, )* } }

            /// The reason's name, as in the documentation.
            pub const fn name(self) -> &'static str { match self { $( Reason::$name => stringify!($name), )* } }
        }
    };
}

reasons! {
    // Layers 0 and 1: bytes, names, geometry, state.
    EndOfData = 1, Environment, "stored data ends too early or is not of its form";
    BadName = 101, Refused, "not a data set name";
    BadVolser = 102, Refused, "not a volume serial";
    BadMask = 103, Refused, "not a data set name mask";
    UnknownDevice = 104, Refused, "not a device of the table";
    OutsideVolume = 105, Refused, "an address outside the volume";
    WrongState = 106, Refused, "the verb is not allowed in this state";
    // Layer 2: tracks, DSCBs, the translate table.
    DamagedTrack = 201, Environment, "a track image does not check";
    ForeignTrack = 202, Environment, "a track's home address is that of another track";
    DamagedDscb = 203, Environment, "a DSCB does not check";
    NotInTable = 204, Refused, "a track that the translate table does not hold";
    TableOverlap = 205, Refused, "two entries of a translate table overlap";
    ForeignCount = 206, Refused, "a count field that could not be moved there and back";
    TableMismatch = 207, Refused, "source and target of a translate table differ in size";
    // Layer 3: volumes.
    Io = 301, Environment, "an input or output operation failed";
    NotAnImage = 302, Refused, "not a volume image";
    BadHeader = 303, Refused, "the header of a volume image does not fit";
    BadSize = 304, Refused, "the size of a volume image does not fit its header";
    UnsupportedImage = 305, Refused, "a kind of image that is not supported";
    ReadOnlyVolume = 306, Refused, "the volume can only be read";
    NoLabel = 307, Refused, "the volume has no standard label";
    VolumeInUse = 308, Refused, "the volume is in use by somebody else";
    DuplicateVolser = 309, Refused, "two volumes have the same serial";
    SameFileTwice = 310, Refused, "one image is given twice";
    DamagedImage = 311, Refused, "a compressed image does not check";
    IntentConflict = 313, Environment, "a block of an interrupted change was changed by somebody else";
    HostSpace = 314, Environment, "the host's own file system has too little space";
    NoSuchFile = 315, Refused, "there is no such file";
    FileExists = 316, Refused, "the file exists";
    ImageOpen = 317, Refused, "the compressed image was not closed properly";
    NoSuchVolume = 318, Refused, "no such volume was given";
    NotDirect = 319, Refused, "the volume cannot be read past this machine's caches";
    NoMemory = 320, Environment, "there is too little memory";
    VolumeNotEmpty = 321, Refused, "the volume has data sets, which would be lost";
    // Layer 4: VTOC.
    NoVtoc = 401, Refused, "the volume has no VTOC";
    DamagedVtoc = 402, Refused, "the VTOC does not check";
    VtocFull = 403, Refused, "the VTOC has no free DSCB";
    NoSpace = 404, Refused, "the volume has too little free space";
    NameExists = 405, Refused, "the name exists on the volume";
    NameNotFound = 406, Refused, "the name is not on the volume";
    TooManyExtents = 407, Refused, "more extents than the volume may hold for one data set";
    ExtentNotFree = 408, Refused, "the extent is not free";
    NotExpired = 409, Refused, "the expiration date has not passed";
    IdentityChanged = 410, Refused, "the data set under this name is another one";
    IndexedVtoc = 411, Refused, "the VTOC has an index that would become stale";
    SmsVolume = 412, Refused, "the volume is managed by SMS";
    EavVolume = 413, Refused, "an extended address volume";
    StackedVolume = 414, Refused, "not a volume of an OS system";
    SplitCylinderVolume = 415, Refused, "the volume has split cylinders";
    BadRequest = 416, Refused, "a space request that cannot be meant";
    UnfinishedMigration = 417, Refused, "the volume has an unfinished migration";
    // Layer 5: catalogs.
    NoCatalog = 501, Refused, "no catalog was found";
    DamagedCatalog = 502, Refused, "the catalog does not check";
    CatalogFull = 503, Refused, "the catalog has no free block";
    EntryExists = 504, Refused, "the name is cataloged already";
    EntryNotFound = 505, Refused, "the name is not cataloged";
    EntryKind = 506, Refused, "the catalog entry is of another kind";
    EntryChanged = 507, Refused, "the catalog entry is not what was expected";
    // Layer 5: monitors.
    VolumeSealed = 520, Refused, "a track is sealed while its data set is switched";
    ImageExists = 521, Refused, "an image of this name is alive";
    BadImageName = 522, Refused, "not a name for an image";
    NoSuchImage = 523, Refused, "no image of this name is registered";
    TooManyImages = 524, Refused, "the monitor area has no room for another image";
    ImageDetached = 525, Refused, "the image may not write any more";
    AreaDamaged = 526, Refused, "not a monitor area";
    AreaForeign = 527, Refused, "the monitor area is of another volume";
    AreaBusy = 528, Environment, "the monitor area is just being changed";
    TooManySubscriptions = 529, Refused, "the volume has as many migrations as it can";
    SubscriptionInUse = 530, Refused, "the subscription is owned by another process";
    NotCovered = 531, Refused, "not every image that may write the volume is monitored";
    NotFilled = 532, Refused, "writes that began before the subscription have not ended";
    TrackInBatch = 533, Refused, "a track is being copied already";
    BadMessage = 534, Refused, "not a message of a monitor on another machine";
    AreaByteOrder = 535, Refused, "the monitor area is of a machine of the other byte order";
    // Layer 5: openers, and the operator's commands.
    DataSetHeld = 540, Refused, "the data set is held while it is moved";
    CommandRefused = 541, Refused, "the operator's command refused";
    CommandLate = 542, Environment, "the operator's command did not end in time";
    ChangeNotSeen = 543, Environment, "a change that was handed to the operator's command or to the host is not seen";
    NotDelegated = 544, Refused, "a change that cannot be handed to the system that has the volume";
    // Layer 6: what forbids to move a data set.
    NothingSelected = 601, Refused, "no data set is selected";
    NotCataloged = 602, Refused, "the data set is in no catalog";
    CatalogMismatch = 603, Refused, "catalog and VTOC do not agree";
    PartMissing = 604, Refused, "a volume of the data set is not given";
    NoExtents = 605, Refused, "the data set has no space";
    Unmovable = 606, Refused, "the data set is marked unmovable";
    AbsoluteAllocation = 607, Refused, "the data set was allocated at absolute tracks";
    ActualAddressing = 608, Refused, "the data set holds actual addresses";
    Isam = 609, Refused, "an ISAM data set holds absolute addresses";
    SplitCylinder = 610, Refused, "the data set shares cylinders with others";
    Vsam = 611, Refused, "the extents of a VSAM data set are also held in its catalog";
    IcfCatalog = 612, Refused, "a catalog that is always open";
    SystemIndex = 613, Refused, "part of the volume's own administration";
    Logrec = 614, Refused, "SYS1.LOGREC holds absolute addresses";
    Spool = 615, Refused, "a spool data set is addressed by absolute tracks";
    PageDataSet = 616, Refused, "a page or swap data set";
    CheckpointData = 617, Refused, "a checkpoint data set holds track addresses";
    UnknownOrganization = 618, Refused, "the organization is not known";
    Coupling = 619, Refused, "a coupling data set";
    SmsManaged = 620, Refused, "the data set is managed by SMS";
    UserLabel = 621, Refused, "the data set has user labels";
    PartsInconsistent = 622, Refused, "the parts of the data set do not fit together";
    Pdse = 623, Refused, "a PDSE or HFS data set";
    ExtendedFormat = 624, Refused, "an extended-format data set";
    LinuxPartition = 625, Refused, "a Linux partition";
    // Layer 6: channels to other machines.
    BadChannel = 640, Refused, "not the address of a server that carries messages";
    ChannelFailed = 641, Environment, "a channel to another machine failed";
    // Layer 7: plans.
    UnlikeDevices = 701, Refused, "source and target are unlike devices";
    TargetIsSource = 702, Refused, "the target is a source volume of the data set";
    CannotSplit = 703, Refused, "the data set must lie on one volume";
    HiddenEnd = 704, Refused, "an end-of-file record would hide the parts behind it";
    TrackOverflow = 705, Refused, "a record goes on where the data set would be cut";
    // Layer 8: copies, checkpoints.
    Unequal = 801, Refused, "the two copies differ";
    CheckpointDamaged = 802, Refused, "the checkpoint does not check";
    CheckpointInUse = 803, Refused, "the migration is owned by another process";
    NoCheckpoint = 804, Refused, "there is no checkpoint";
    NotFlushed = 805, Environment, "the target could not be flushed";
    CheckpointNewer = 806, Refused, "the checkpoint is of a newer release";
    CheckpointOld = 807, Refused, "the checkpoint is older than what was done since";
    // Layer 9: the switch.
    TargetChanged = 901, Refused, "the target's DSCBs are not as they were planned";
    SourceChanged = 902, Refused, "the source changed where it must not";
    TargetWritten = 903, Refused, "the target was written to since its users were let in";
    // Layer 10: migrations.
    PlanDiffers = 1001, Refused, "an unfinished migration has another plan";
    Interrupted = 1002, Environment, "stopped on request";
    NotClosed = 1003, Environment, "the data sets were not closed in time";
    WindowTooLong = 1004, Environment, "the window would have been longer than allowed";
    LateWriter = 1005, Refused, "somebody wrote after the data sets were closed";
    NotMonitored = 1006, Refused, "a migration whose sources are written to needs its monitors";
    // Layer 12: the C ABI.
    NullPointer = 1201, Refused, "a pointer that must not be NULL";
    BadStructure = 1202, Refused, "a structure whose size, version or reserved bytes are not of this release";
    BadHandle = 1203, Refused, "not a handle of this kind";
    HandleInUse = 1204, Refused, "the handle is in use by another call";
    BadText = 1205, Refused, "not a text of this form";
    BadValue = 1206, Refused, "a value that the parameter does not have";
    ShortBuffer = 1207, Refused, "the buffer is too short";
    NoSuchFunction = 1208, Refused, "a function of the host that is needed and not given";
    NoMore = 1209, Refused, "there is none with this number";
    HostRefused = 1210, Refused, "a function of the host refused";
    HostFailed = 1211, Environment, "a function of the host failed";
    HostLied = 1212, Environment, "a function of the host answered what cannot be";
    Broken = 1601, Internal, "a rule of the library was broken";
    Panicked = 1602, Internal, "the library failed inside a call";
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Details {
    reason: Reason,
    volser: Option<[u8; 6]>,
    track: Option<(u32, u16)>,
    data_set: Option<[u8; 44]>,
    sentence: String,
}

/// What failed: a reason, the place, and a sentence that says what was seen and what to do.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub struct Error(Box<Details>);

impl Error {
    /// An error with a sentence (no newline at its end) that says what was seen and what to do.
    pub fn new(reason: Reason, sentence: impl Into<String>) -> Error {
        Error(Box::new(Details {
            reason,
            volser: None,
            track: None,
            data_set: None,
            sentence: sentence.into(),
        }))
    }

    /// An operation of the host's system failed: `what` names the operation and the file.
    pub fn io(what: impl fmt::Display, error: &std::io::Error) -> Error {
        let reason = match error.kind() {
            std::io::ErrorKind::NotFound => Reason::NoSuchFile,
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Reason::HostSpace
            }
            _ => Reason::Io,
        };
        Error::new(reason, format!("{what}: {error}"))
    }

    /// Adds the volume serial (EBCDIC bytes), unless one is known already.
    #[must_use]
    pub fn on_volume(mut self, volser: impl Into<[u8; 6]>) -> Error {
        self.0.volser.get_or_insert(volser.into());
        self
    }

    /// Adds the track and the volume's heads, unless a track is known already.
    #[must_use]
    pub fn at_track(mut self, track: impl Into<u32>, heads: u16) -> Error {
        self.0.track.get_or_insert((track.into(), heads));
        self
    }

    /// Adds the data set name (EBCDIC bytes), unless one is known already.
    #[must_use]
    pub fn of_data_set(mut self, name: impl Into<[u8; 44]>) -> Error {
        self.0.data_set.get_or_insert(name.into());
        self
    }

    /// Why it failed.
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// The return code that the reason implies.
    pub fn code(&self) -> Code {
        self.0.reason.code()
    }

    /// Whether it makes sense to try the same again later: the environment may be mended, and of what is refused somebody may
    /// make room, end what he is doing, or start his monitor.
    pub fn can_pass(&self) -> bool {
        use Reason::*;
        self.code() == Code::Environment
            || matches!(
                self.reason(),
                CatalogMismatch
                    | CommandRefused
                    | DataSetHeld
                    | HandleInUse
                    | LateWriter
                    | NameExists
                    | NoSpace
                    | NotCataloged
                    | NotCovered
                    | NotFilled
                    | NotMonitored
                    | PartMissing
                    | SourceChanged
                    | TargetChanged
                    | UnfinishedMigration
                    | VolumeInUse
                    | VtocFull
            )
    }

    /// The volume serial, as EBCDIC bytes.
    pub fn volser(&self) -> Option<[u8; 6]> {
        self.0.volser
    }

    /// The absolute track number.
    pub fn track(&self) -> Option<u32> {
        self.0.track.map(|(track, _)| track)
    }

    /// The data set name, as EBCDIC bytes.
    pub fn data_set(&self) -> Option<[u8; 44]> {
        self.0.data_set
    }

    /// What was seen and what to do, without the place.
    pub fn sentence(&self) -> &str {
        &self.0.sentence
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details { reason, volser, track, data_set, sentence } = &*self.0;
        let mut place = Vec::new();
        if let Some(volser) = volser {
            place.push(format!("volume {}", crate::bytes::ebcdic_text(volser)));
        }
        if let Some((track, heads)) = track {
            let (track, heads) = (*track, u32::from(*heads).max(1));
            place.push(format!("track {track} ({}/{})", track / heads, track % heads));
        }
        if let Some(data_set) = data_set {
            place.push(format!("data set {}", crate::bytes::ebcdic_text(data_set)));
        }
        if !place.is_empty() {
            write!(f, "{}: ", place.join(", "))?;
        }
        write!(f, "{sentence} [{}]", *reason as u32)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.0.reason.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_ascend_and_so_are_unique() {
        assert!(Reason::ALL.windows(2).all(|pair| (pair[0] as u32) < pair[1] as u32));
    }

    #[test]
    fn display_names_every_place() {
        let error = Error::new(Reason::DamagedTrack, "no end marker; restore the track")
            .on_volume([0xE5, 0xD6, 0xD3, 0xF0, 0xF0, 0xF1])
            .at_track(137u32, 30);
        assert_eq!(
            error.to_string(),
            "volume VOL001, track 137 (4/17): no end marker; restore the track [201]"
        );
        assert_eq!(error.code(), Code::Environment);
    }
}
