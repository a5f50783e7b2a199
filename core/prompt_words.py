# ruff: noqa: E501
"""The words of `core.prompts`: terms for minors and for sexual content, by topic.

Words in scripts that part words match whole words; others (Thai, Lao, Japanese, Chinese, Korean) anywhere. A word
with a star matches all that begins so. Case and accents do not matter; blanks match any run of blanks and
signs, or none.
"""

from __future__ import annotations

_MINOR = """
child*|kid|kids|kiddo|kiddie|kiddy|kidz|baby|babies|babyface|baby faced|infant|infants|newborn|newborns
toddler|toddlers|tot|tots|preschooler|preschool|kindergarten|kindergartner|kindergartener|schoolchild|schoolchildren|school kid|school kids
schoolgirl|schoolgirls|school girl|school girls|schoolboy*|school boy|school boys|schooler|schoolers|highschooler|highschoolers|high school|middle school|elementary school|primary school|grade school|junior high|school uniform|school student|school age|first grader|second grader|third grader|fourth grader|fifth grader|sixth grader|seventh grader|eighth grader|ninth grader|tenth grader|pupil|pupils|classmate
girl|girls|girly|girlie|little girl|young girl|boy|boys|little boy|young boy|lad|lads|lass|lassie|little one
teen|teens|teenage*|teenie|teeny|teenybopper|preteen|preteens|pre teen|tween|tweens|tweenager|youngster|youngsters|youth|youths|youthful|adolescen*|juvenile|juveniles|minor|minors|underage|under age|underaged|under 18|under eighteen|below 18|pubescent|prepubescent|puberty|kindergarden|nursery
little sister|little brother|little daughter|young daughter|little son|young son|teen daughter|teen son|loli|lolit*|lolicon*|lolis|shota*|chibi|jailbait|jail bait|barely legal|young looking|very young|too young|so young|younger self|prepuberty|fetus|foetus|scout girl|girl scout|boy scout|cub scout|altar boy|quinceanera|first communion|sweet sixteen|orphan|orphans|novice monk|novice monks|child monk|samanera|samanen|kinder garten|cp|csam|pedo|paedo|pedophile|paedophile
enfant|enfants|bebe|bebes|fillette|fillettes|fille|filles|garcon|garcons|garconnet|gamin|gamine|gosse|gosses|mome|mineur|mineure|mineurs|mineures|ado|ados|adolescente|adolescents|collegien|collegienne|lyceen|lyceenne|ecolier|ecoliere|petite fille|petit garcon|jeune fille|nourrisson|nouveau ne|uniforme scolaire
kind|kinder*|kindlich|kindes|kleinkind|saugling|madchen*|maedchen*|junge|jungen|buben|knabe|knaben|jugendlich*|teenagerin|schuler*|schueler*|schulmadchen|schuljunge|schulkind|minderjahrig*|minderjaehrig*|kindergartenkind|schuluniform
nino|nina|ninos|ninas|ninito|ninita|bebe|muchacho|muchacha|chico|chica|chicos|chicas|chiquilla|chiquillo|adolescente|adolescentes|menor|menores|menor de edad|colegiala|colegial|escolar|quinceanera|nene|nena|infantil|uniforme escolar
crianca|criancas|menino|menina|meninos|meninas|garoto|garota|moleque|adolescente|bambino|bambina|bambini|ragazzo|ragazza|ragazzi|ragazzino|ragazzina|neonato|minorenne|scolara|kindje|meisje|meisjes|jongen|jongens|tiener|minderjarig|barn|flicka|pojke|jente|gutt|dziecko|dzieci|dziewczynka|chlopiec|nastolatka|nastolatek
ребенок|ребёнок|дети|детский|девочка|девочки|мальчик|мальчики|подросток|подростки|школьница|школьник|малыш|младенец|несовершеннолетняя|несовершеннолетний|дитина|дівчинка|хлопчик
παιδι|παιδια|κοριτσι|αγορι|μωρο|εφηβος|εφηβη|cocuk|kiz cocugu|bebek|ergen|liseli|tre em|tre con|be gai|be trai|thieu nien|vi thanh nien|anak|anak kecil|bayi|remaja|gadis|bocah|bata|sanggol|dalagita|binatilyo|kodomo|shoujo|shojo|shounen|shonen|joshikousei|joshi kosei|jk|dek|dek noi|dek ying|dek chai
子供|子ども|こども|コドモ|子役|児童|幼児|幼女|幼い|幼稚園|保育園|乳児|赤ちゃん|赤ん坊|あかちゃん|ベビー|キッズ|チャイルド|少女|少年|女の子|男の子|おんなのこ|おとこのこ|女児|男児|女子高生|女子校生|女子中学生|女子小学生|男子高校生|男子中学生|小学生|中学生|高校生|小学校|中学校|高校|高校生|高生|中高生|学童|生徒|未成年|十代|10代|ティーン|ロリ|ロリータ|ショタ|セーラー服|学生服|制服|ランドセル|思春期|年少|お嬢ちゃん|坊や|息子|娘|園児|ジュニアアイドル|合法ロリ|ろり|ろりこん|しょうじょ|しょうねん|ようじょ|じょしこうせい|しょうがくせい|ちゅうがくせい|こうこうせい|みせいねん|小坊主|小僧
เด็ก|ทารก|เยาวชน|วัยรุ่น|เด็กหญิง|เด็กชาย|เด็กน้อย|เด็กสาว|เด็กหนุ่ม|ผู้เยาว์|นักเรียน|ชุดนักเรียน|อนุบาล|ประถม|มัธยม|ด.ช.|ด.ญ.|หนูน้อย|ลูกสาว|ลูกชาย|ขวบ|วัยเรียน|ดช.|ดญ.|สาวน้อย|หนุ่มน้อย|โลลิ|น้องๆ|เบบี้|สามเณร|เณรน้อย|เณร|กุมาร|ดรุณี|เนตรนารี|ลูกเสือ|ม.ต้น|ม.ปลาย|แรกรุ่น|วัยใส|วัยทีน|สาววัยแรกแย้ม|แบเบาะ|ไม่บรรลุนิติภาวะ|เด็ก
ເດັກ|ແອນ້ອຍ|ໄວລຸ້ນ|ໄວຮຸ່ນ|ຊາວໜຸ່ມນ້ອຍ|ເຍົາວະຊົນ|ນັກຮຽນ|ຊຸດນັກຮຽນ|ອະນຸບານ|ປະຖົມ|ມັດທະຍົມ|ລູກສາວ|ລູກຊາຍ|ເດັກນ້ອຍ|ເດັກຍິງ|ເດັກຊາຍ|ນ້ອງນ້ອຍ|ທາລົກ|ຜູ້ເຍົາ|ສາວນ້ອຍ|ບ່າວນ້ອຍ|ຂວບ|ສາມະເນນ|ຈົວນ້ອຍ|ເນນ|ກຸມານ|ແອນ້ອຍ|ເດັກສາວ|ເດັກຊາຍ|ໄວຮຽນ|ບໍ່ທັນບັນລຸນິຕິພາວະ
儿童|兒童|孩子|小孩|小孩子|孩童|女孩|男孩|婴儿|嬰兒|幼童|幼儿|青少年|未成年|少女|少年|小学生|中学生|高中生|初中生|萝莉|蘿莉|正太|校服|學生|学生妹|女童|男童|宝宝|寶寶|童颜|어린이|아이|아기|아동|소녀|소년|여자아이|남자아이|미성년|청소년|학생|교복|초등|중학생|고등학생|여고생|여중생|남고생|로리|쇼타|유아|십대|유치원|बच्चा|बच्ची|बच्चे|लड़की|लड़का|किशोर|नाबालिग|طفل|طفلة|أطفال|فتاة|صبي|ولد|بنت|مراهق|مراهقة|قاصر|رضيع|ילד|ילדה|ילדים|תינוק|נער|נערה|קטין|קטינה|ក្មេង|កុមារ|ကလေး|👶|🧒|👦|👧|🍼
"""

_SEXUAL = """
nude|nudes|nudity|nudist|nudism|naked|nakedness|undressed|undressing|unclothed|disrobed|topless|bottomless|bare breasted|bare chested|bare breasts|bare breast|bare bottom|bare butt|no clothes|no clothing|without clothes|without clothing|wearing nothing|in the buff|birthday suit|stripping|striptease|stripper|strip tease|see through|sheer clothes|wardrobe malfunction|upskirt|downblouse|cameltoe|nip slip|underboob|sideboob
sex|sexy|sexual|sexually|sexualized|sexualised|sexuality|sext|sexting|porn*|pr0n|xxx|nsfw|rule 34|r34|hentai|ecchi|ahegao|futanari|yiff|erotic*|fetish|fetishes|bdsm|bondage|dominatrix|shibari|hardcore|softcore|onlyfans|playboy|penthouse model|camgirl|escort|prostitute|hooker|orgasm|orgasmic|orgy|orgies|intercourse|masturbat*|fellatio|blowjob|blow job|handjob|hand job|cunnilingus|anal|anus|butthole|penetration|penetrated|threesome|gangbang|bukkake|creampie|cumshot|cum|cumming|ejaculate|ejaculation|semen|sperm|genital|genitals|genitalia|penis|penises|dick|cock|cocks|phallus|erection|boner|testicles|scrotum|balls deep|vagina|vaginas|vaginal|vulva|pussy|pussies|labia|clitoris|clit|cunt|pubic|pubes|breasts|breast|boob|boobs|boobies|tits|titties|titty|tit|nipple|nipples|areola|areolae|cleavage|busty|big bust|buttocks|bare ass|naked ass|ass|asses|booty|thong|g string|lingerie|lingeries|panties|panty|knickers|negligee|seductive|seductively|seduction|seducing|sensual|sensually|provocative pose|provocatively|lewd|lewds|lustful|lust|horny|aroused|arousal|kinky|kink|slut|sluts|slutty|whore|milf|dilf|gilf|thot|bimbo|fuck|fucked|fucking|fucks|fap|rape|raped|raping|incest|bestiality|zoophilia|necrophilia|voyeur|smut|bikini|swimsuit|underwear|bra|boudoir|pinup|pin up|bedroom eyes|spread legs|legs spread|on all fours|doggystyle|doggy style|missionary position|dildo|vibrator|sex toy|strap on|buttplug|sybian
nue|nus|nues|nudite|deshabille|deshabillee|sexe|sexuel|sexuelle|seins|chatte|baise|erotique|porno|nackt|nackte|nackter|nacktheit|entbloesst|entblosst|oben ohne|sexuell|erotisch|titten|brueste|bruste|muschi|schwanz|arsch|ficken|desnudo|desnuda|desnudos|desnudas|desnudez|sexo|erotico|erotica|tetas|pechos|culo|polla|pene|vagina|follar|cono|pelada|pelado|nudo|nuda|tette|seno|naakt|naken|nagi|naga|голая|голый|голые|обнаженная|обнажённая|обнаженный|секс|сексуальная|эротика|порно|γυμνη|γυμνος|ciplak|khoa than|telanjang|bugil|hubad|hadaka|oppai|ecchina|seks
裸|ヌード|全裸|半裸|はだか|ハダカ|エロ|えろ|エッチ|えっち|セックス|セクシー|性的|性交|性器|性行為|官能|乳首|おっぱい|巨乳|貧乳|爆乳|乳房|陰部|陰茎|膣|まんこ|ちんこ|ちんぽ|ポルノ|アダルトビデオ|18禁|成人向け|変態|ヘンタイ|下着|パンツ|パンティ|ブラジャー|ランジェリー|水着|ビキニ|脱衣|脱ぐ|脱いで|露出|谷間|痴女|痴漢|レイプ|強姦|輪姦|フェラ|オナニー|自慰|射精|精液|勃起|緊縛|調教|風俗|援交|援助交際|淫|猥褻|わいせつ|ちくび|せっくす|すっぽんぽん|スケベ|すけべ|デリヘル|ソープ嬢|パイズリ|潮吹き|中出し|性奴隷|肉便器
เปลือย|โป๊|แก้ผ้า|ไม่ใส่เสื้อผ้า|ไม่สวมเสื้อผ้า|นู้ด|เซ็กซ์|เซ็กส์|เซ็กซี่|เซ็กซี|ร่วมเพศ|อวัยวะเพศ|มีเพศสัมพันธ์|เพศสัมพันธ์|นม|หน้าอก|หัวนม|เต้านม|ลามก|อนาจาร|ยั่วยวน|กามารมณ์|หนังโป๊|หนังผู้ใหญ่|ชุดชั้นใน|กางเกงใน|บิกินี่|ชุดว่ายน้ำ|เย็ด|ควย|หี|แตด|สำเร็จความใคร่|ข่มขืน|วาบหวิว|ล่อนจ้อน|หื่น|เงี่ยน|จู๋|จิ๋ม|หำ|ซีทรู|เร้าอารมณ์|ขายตัว|โสเภณี|ช่วยตัวเอง|ถอดเสื้อผ้า|ไม่นุ่งผ้า|เปลือยกาย|เซ็ก|น้ำแตก|อมนกเขา|ซาดิสม์
ເປືອຍ|ໂປ້|ແກ້ຜ້າ|ບໍ່ໃສ່ເຄື່ອງ|ເຊັກ|ເຊັກຊີ່|ເຊັກຊີ|ຮ່ວມເພດ|ເພດສຳພັນ|ອະໄວຍະວະເພດ|ນົມ|ເຕົ້ານົມ|ໜ້າເອິກ|ຫົວນົມ|ລາມົກ|ອະນາຈານ|ຊຸດຊັ້ນໃນ|ສົ້ງຊ້ອນໃນ|ບິກິນີ|ຊຸດລອຍນ້ຳ|ຢັ່ວຢວນ|ສີ້|ຂົ່ມຂືນ|ຫີ|ໂຄຍ|ຂາຍຕົວ|ໂສເພນີ|ຖອດເຄື່ອງ|ບໍ່ນຸ່ງເຄື່ອງ|ລ່ອນຈ້ອນ|ເຊັກຊ໌
裸体|裸體|裸露|全裸|赤裸|性感|色情|情色|性爱|性愛|做爱|做愛|性交|性器|乳房|乳头|乳頭|胸部|阴道|陰道|阴茎|陰莖|内衣|內衣|比基尼|淫荡|成人片|三级片|누드|알몸|나체|벗은|섹스|섹시|야한|에로|포르노|가슴|유방|성기|음란|속옷|비키니|란제리|नग्न|नंगा|नंगी|सेक्स|कामुक|अश्लील|عارية|عاري|عري|جنس|جنسي|إباحي|مثير|عارٍ|ערום|ערומה|סקס|פורנו|עירום|អាក្រាត|ဝတ်လစ်စလစ်|🔞|🍆|🍑|💦
"""

WORDS: dict[str, tuple[str, ...]] = {
    topic: tuple(dict.fromkeys(word for word in text.strip().replace("\n", "|").split("|") if word))
    for topic, text in (("minor", _MINOR), ("sexual", _SEXUAL))
}
"""Terms that refuse a prompt, by topic."""

SHORT_WORDS = frozenset(
    [
        "a",
        "ad",
        "ah",
        "al",
        "am",
        "an",
        "ap",
        "as",
        "at",
        "aw",
        "ax",
        "ay",
        "be",
        "by",
        "de",
        "da",
        "di",
        "do",
        "du",
        "ed",
        "el",
        "em",
        "en",
        "er",
        "et",
        "ex",
        "fa",
        "go",
        "ha",
        "he",
        "hi",
        "ho",
        "id",
        "if",
        "il",
        "im",
        "in",
        "io",
        "is",
        "it",
        "ja",
        "je",
        "jo",
        "ka",
        "la",
        "le",
        "li",
        "lo",
        "ma",
        "me",
        "mi",
        "mm",
        "mr",
        "ms",
        "mu",
        "my",
        "na",
        "ne",
        "no",
        "nu",
        "of",
        "oh",
        "ok",
        "on",
        "op",
        "or",
        "os",
        "ou",
        "ow",
        "ox",
        "pa",
        "pi",
        "po",
        "qi",
        "re",
        "se",
        "si",
        "so",
        "st",
        "sr",
        "su",
        "ta",
        "te",
        "ti",
        "to",
        "tu",
        "tv",
        "uh",
        "um",
        "un",
        "up",
        "us",
        "ut",
        "va",
        "vs",
        "we",
        "wo",
        "ya",
        "ye",
        "yo",
        "za",
        "zu",
        "i",
        "o",
        "e",
        "y",
        "k",
        "f",
        "s",
        "x",
    ]
) - {"nu", "er", "ed", "te", "ti", "se", "li", "ld", "ne"}
"""Words of one or two letters that stand by themselves; others are taken for a scrap of a broken word."""

LOOKALIKES = str.maketrans(
    "аеорсухіјѕԁӏвкмнтгпѵһԛԝɑεοιρυνκτχαγωłđøıƅհոսցօʏʀɴɪᎪᏴᏟᎠᎬᏀᎻᎥᎫᏦᏞᎷᏢᎡᏚᎢᏙᎳᏃꓐꓑꓓꓔꓖꓗꓙꓚꓜꓝꓟꓠꓡꓢꓣꓦꓧꓪꓫꓬꓮꓰꓲꓳꓴ",
    "aeopcyxijsdlbkmhtrnvhqwaeoipuvktxaywldoibhnugoyrniabcdeghijklmprstvwzbpdtgkjczfmnlsrvhwxyaeiou",
)
"""Letters of other scripts, or strokes, that pass for Latin ones; applied to the words above too."""

HARMLESS = (
    r"kind (?=of\b|and\b|hearted\b|old\b|gentle\b|wom[ae]n\b|m[ae]n\b|person\b|adult\b|face\b|eyes\b|smil\w*|expression\b|look\w*)",
    r"\b(?:the|an?|old|red|wooden|stone|in|near) barn\b",
    r"\bbaby(?:'s)? (?=blue\b|breath\b|pink\b|grand\b)",
    r"\b(?:dilated|narrow|dark) pupils?\b|\bpupils? of the eyes?\b",
    r"\bminor (?=key|scratch\w*|detail\w*|wrinkle\w*|flaw\w*|blemish\w*)",
    r"\bang thong\b|\bthong nai\b",
    r"\bmuch ado\b",
    "ขนม|พนม|ประนม|ชนม|หีบ|โป๊ะ|ພະນົມ|ຂະນົມ|ຫີບ",
    "[男女中個知理感慢急習惰毒弾異同]性的|裸足|裸眼|裸電球|カロリー",
    "露出(?=補正|計|時間|オーバー|アンダー|値|モード)|(?:長時間|多重|自動|適正)露出",
    "(?:山|森|渓谷)の谷間|谷間の(?=村|町|川|小川|道|宿|家|集落|百合)",
    "(?:警察官?|看護師|消防士|駅員|パイロット)の?制服",
    r"\b\d+ years? (?:of (?!age\b)|ago\b|later\b|married\b|together\b)",
)
"""Phrases in which a word of the lists means something else; taken out of a prompt before it is searched."""
