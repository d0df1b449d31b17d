//! Reads what the header declares: not all of C, but the C that cbindgen writes.

/// A constant: what `#define` gives a name to.
#[derive(Debug, Clone)]
pub struct Constant {
    pub doc: String,
    pub name: String,
    pub value: String,
}

/// A type of which the header gives the name alone, or a type of functions.
#[derive(Debug, Clone)]
pub struct Named {
    pub doc: String,
    pub name: String,
    pub code: String,
}

/// A structure.
#[derive(Debug, Clone)]
pub struct Structure {
    pub doc: String,
    pub name: String,
    pub fields: Vec<Field>,
    pub code: String,
}

/// A field of a structure.
#[derive(Debug, Clone)]
pub struct Field {
    pub doc: String,
    pub name: String,
    pub kind: Kind,
    /// In short, what C calls it.
    pub word: String,
    /// How many there are; one unless it is an array.
    pub count: u64,
    pub is_array: bool,
}

/// What a field is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A whole number of so many bytes, or a character.
    Number(u64),
    Character,
    /// A pointer to data.
    Pointer,
    /// A pointer to a function.
    Function,
    /// A structure.
    Structure(String),
}

/// A function.
#[derive(Debug, Clone)]
pub struct Prototype {
    pub doc: String,
    pub name: String,
    /// Each in C, in words with one blank between.
    pub parameters: Vec<String>,
}

/// All that a header declares, each in the order in which it stands there.
#[derive(Debug, Default)]
pub struct Declarations {
    pub constants: Vec<Constant>,
    pub handles: Vec<Named>,
    pub function_types: Vec<Named>,
    pub structures: Vec<Structure>,
    pub functions: Vec<Prototype>,
}

impl Declarations {
    /// Reads the text of a header, or of a part of one.
    pub fn of(header: &str) -> Declarations {
        let mut all = Declarations::default();
        let mut lines = header.lines().peekable();
        let mut doc = String::new();
        while let Some(line) = lines.next() {
            if line.trim_start().starts_with("/*") {
                doc = comment(line, &mut lines);
            } else if line.starts_with('#') && line.ends_with('\\') {
                while lines.next().is_some_and(|line| line.ends_with('\\')) {}
            } else if let Some(definition) = line.strip_prefix("#define TMR_") {
                let (name, value) = definition.split_once(' ').unwrap_or((definition, ""));
                let (name, value) = (format!("TMR_{name}"), value.trim().to_string());
                let is_macro = name.contains('(') || value.is_empty();
                if !is_macro {
                    all.constants.push(Constant { doc: std::mem::take(&mut doc), name, value });
                }
                doc.clear();
            } else if line.starts_with('#') || line.is_empty() {
                doc.clear();
            } else if !line.starts_with("extern \"C\"") && line != "}" {
                let mut code = line.to_string();
                let is_body = line.ends_with('{');
                while !(code.ends_with(';')
                    && (!is_body || code.lines().last().unwrap().starts_with('}')))
                {
                    code += "\n";
                    code += lines.next().unwrap_or_else(|| panic!("no end: {code}"));
                }
                all.add(std::mem::take(&mut doc), code);
            }
        }
        all
    }

    fn add(&mut self, doc: String, code: String) {
        let Some(rest) = code.strip_prefix("typedef ") else {
            return self.functions.push(prototype(doc, &code));
        };
        if rest.starts_with("struct ") && rest.contains('{') {
            let name = rest["struct ".len()..].split(' ').next().unwrap().to_string();
            let body: Vec<&str> = code.lines().collect();
            let fields = self.fields(&body[1..body.len() - 1]);
            self.structures.push(Structure { doc, name, fields, code });
        } else if let Some(rest) = rest.strip_prefix("struct ") {
            let name = rest.split(' ').next().unwrap().to_string();
            self.handles.push(Named { doc, name, code });
        } else {
            let (_, rest) = rest.split_once("(*").unwrap_or_else(|| panic!("{code}"));
            let name = rest.split(')').next().unwrap().to_string();
            self.function_types.push(Named { doc, name, code });
        }
    }

    fn fields(&self, body: &[&str]) -> Vec<Field> {
        let (mut fields, mut doc) = (Vec::new(), String::new());
        let mut lines = body.iter().copied().peekable();
        while let Some(line) = lines.next() {
            if line.trim_start().starts_with("/*") {
                doc = comment(line, &mut lines);
                continue;
            }
            let mut code = line.trim().to_string();
            while !code.ends_with(';') {
                code += " ";
                code += lines.next().unwrap().trim();
            }
            fields.push(self.field(std::mem::take(&mut doc), code.trim_end_matches(';')));
        }
        fields
    }

    fn field(&self, doc: String, code: &str) -> Field {
        if let Some((_, rest)) = code.split_once("(*") {
            let (name, rest) = rest.split_once(')').unwrap();
            let kind = if rest.starts_with('(') { Kind::Function } else { Kind::Pointer };
            let word = if kind == Kind::Function { "function" } else { "pointer" };
            let (name, word) = (name.into(), word.into());
            return Field { doc, name, kind, word, count: 1, is_array: false };
        }
        let (code, bounds) = code.split_once('[').unwrap_or((code, ""));
        let bounds = bounds.split(['[', ']']).filter(|bound| !bound.is_empty());
        let bounds: Vec<u64> = bounds.map(|bound| bound.parse().unwrap()).collect();
        let (kind, name) = code.rsplit_once([' ', '*']).unwrap_or_else(|| panic!("{code}"));
        let word = kind.trim_start_matches("struct ").trim();
        let kind = match word {
            _ if code.contains('*') => Kind::Pointer,
            "uint8_t" | "int8_t" => Kind::Number(1),
            "uint16_t" | "int16_t" => Kind::Number(2),
            "uint32_t" | "int32_t" => Kind::Number(4),
            "uint64_t" | "int64_t" => Kind::Number(8),
            "char" => Kind::Character,
            _ if self.function_types.iter().any(|named| named.name == word) => Kind::Function,
            other => Kind::Structure(other.into()),
        };
        let word = if kind == Kind::Pointer { "pointer" } else { word };
        let (count, is_array) = (bounds.iter().product(), !bounds.is_empty());
        Field { doc, name: name.into(), kind, word: word.into(), count, is_array }
    }

    pub fn structure(&self, name: &str) -> &Structure {
        let found = self.structures.iter().find(|structure| structure.name == name);
        found.unwrap_or_else(|| panic!("there is no struct {name} before its use"))
    }

    /// How many bytes one of this kind has, and to how many it is aligned.
    fn size_and_alignment(&self, kind: &Kind) -> (u64, u64) {
        match kind {
            Kind::Number(size) => (*size, *size),
            Kind::Character => (1, 1),
            Kind::Pointer | Kind::Function => (8, 8),
            Kind::Structure(name) => {
                let structure = self.structure(name);
                let fields = structure.fields.iter();
                let alignment = fields.map(|field| self.size_and_alignment(&field.kind).1).max();
                let alignment = alignment.unwrap();
                (self.size(structure).next_multiple_of(alignment), alignment)
            }
        }
    }

    /// How many bytes a structure has, if it has none between its fields.
    pub fn size(&self, structure: &Structure) -> u64 {
        structure.fields.iter().map(|field| self.size_of(field)).sum()
    }

    pub fn size_of(&self, field: &Field) -> u64 {
        self.size_and_alignment(&field.kind).0 * field.count
    }
}

/// The text of a comment whose first line is given.
fn comment<'a>(first: &str, lines: &mut impl Iterator<Item = &'a str>) -> String {
    let mut text = Vec::new();
    let mut line = first.trim_start().trim_start_matches('/').trim_start_matches('*');
    loop {
        let end = line.strip_suffix("*/");
        let said = end.unwrap_or(line);
        text.push(said.strip_prefix(' ').unwrap_or(said).trim_end().to_string());
        if end.is_some() {
            break;
        }
        let next = lines.next().expect("the comment ends").trim_start();
        line = if next == "*/" { next } else { next.trim_start_matches('*') };
    }
    text.join("\n").trim().to_string()
}

fn prototype(doc: String, code: &str) -> Prototype {
    let code = code.split_whitespace().collect::<Vec<_>>().join(" ");
    let (head, rest) = code.split_once('(').unwrap_or_else(|| panic!("no function: {code}"));
    assert!(rest.ends_with(");"), "{code}");
    let name = head.strip_prefix("int32_t ").unwrap_or_else(|| panic!("{code}")).to_string();
    let (mut parameters, mut depth, mut one) = (Vec::new(), 0, String::new());
    for character in rest[..rest.len() - 2].chars() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parameters.push(std::mem::take(&mut one).trim().to_string());
                continue;
            }
            _ => {}
        }
        one.push(character);
    }
    if !one.trim().is_empty() && one.trim() != "void" {
        parameters.push(one.trim().to_string());
    }
    Prototype { doc, name, parameters }
}
