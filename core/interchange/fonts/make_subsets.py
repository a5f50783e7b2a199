"""Make the fonts in this folder: the parts of Noto that receipts need, without hints, from Debian's packages.

    apt install fonts-noto-core fonts-noto-cjk && python core/interchange/fonts/make_subsets.py

Latin, Greek, Cyrillic, Thai and Lao are whole; of Japanese, kana, JIS level 1 and common other kanji of names and of
the jōyō list. Japanese bold holds what the wording has: only headings are bold.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

HERE = Path(__file__).parent
NOTO = Path("/usr/share/fonts/truetype/noto")
CJK = Path("/usr/share/fonts/opentype/noto")
JAPANESE_FACE = 0  # of the collection

LATIN = ((0x20, 0x24F), (0x250, 0x2AF), (0x2B0, 0x36F), (0x1D00, 0x1EFF), (0x2000, 0x206F), (0x2070, 0x209F))
SIGNS = ((0x20A0, 0x20BF), (0x2100, 0x214F), (0x2190, 0x21FF), (0xFFFD, 0xFFFD))
GREEK_AND_CYRILLIC = ((0x370, 0x3FF), (0x1F00, 0x1FFF), (0x400, 0x52F))
THAI, LAO = ((0xE00, 0xE7F),), ((0xE80, 0xEFF),)
JOINERS = ((0x20, 0x20), (0x200B, 0x200D), (0x25CC, 0x25CC))
OTHER_KANJI = (
    "丞丼亙亘亨亮仔伎伽佑侑俐俠侶倖倭偲傲僅允冤凄凛凜凪凰刹勁勺勾匁卯叡叱吞呂咲哺唄啞喩嘉嗅嘲噓圭坐埼堯塡壕壬壽夭奈妖姪娃婉媛嫉嬉孜宍宥實寅寓"
    "寵尤峨峻崚嵐嵩嵯嶺巌巖巫巳巴巽帖幌幡庄庇庚廉廣廻廟弛弥彌彗彙彦彪彬徠怜恕恢恣恰惇惚惠惣愈慄慎慧慾憐憧憬戎戮戴拭拶拗拳挨挫捧捷捻捺揃摑摩撒撫播"
    "撰斐斡斧斯於旭昂昊昏昌昴晃晋晏晒晟晦晨智暉暖曖曙曝曳曾朋朔杏杖杜杷枇柊柏柑柘柚柾栞桁栗栖桂桐桔梓梗梛梢梯梱梨梶梁椀椋椎椛椰椿楊楓楕楚楠榎榊榛槇槙槍槌樋樟樫"
    "橘橙檀檎檜櫂櫛櫻欣欽歎此毅毬汀汐汝汰沓沙沫洛洸洲洵洩浬淀淋淳渚湊湘湛溢溜溺滉漕漣漱潑澄澪濃濡瀕瀧灘灸灼煉煌煎熙燎燕燦燭燿爽爾牙牝牟狐狙狼猪獅玄玖玩玲珂珀珈珊琉琢琥琳瑚瑛瑞瑠瑤瑳璃璧"
    "瓜瓦甕畏畠畢疋痕瘍皐皓眉眞眸瞥瞬瞭瞳矩砦砧硯碧碩磐磯祁祐祢祥禄禎禰禮禱禽禾秤秦稀稔稜稟穣窄窟窪窺竣竺竿笈笠笙笹筈箋箔箕箸篇篠簞簾籾粟粥糊紗紘紐絃紬絆絢綜綴綸綺綾綻緋緻縞繡繫繍纂"
    "纏羚羨翔翠耀而耶耽聡肇肋股肴胡胤脩脹腎腔腫膏膳膝臆臥臼舵芙芥芦芭芯芹苑苔苺茄茅茉茜茨荻莉莊莞菅菖菩菫菱萊萌萎萠萩萬葛葡葦葵葺董蒐蒔蒙蒲蒼蓉蓋蓑蓬蓮蔓蔑蔦蔭蔽蕉蕎蕨蕪薗薙薩藁藍藤藪蘇蘭"
    "虎虹蜂蜜蝦蝶蝉蟬蟹蠟衛衷衿袈袖袴袷裡裾裳襖親訂訊訣註詠詢詣誅誰諄諏諒諜諦諧謂謎貌貪貼賂賭賑赳跨蹄蹟蹴輔輯輿轟辰迂迄迦迪迺逗逢逞這逅遁遙遜遡邂邉邊邑那邦郁郡鄭酉酎醇醍醐醒醬釉釘釜釧銑銘鋒鋪鋭"
    "錆錐錦錫錬鍋鍬鎌鎧鎭鑄閃閏閤闇阪阿陀陽隈隼雀雁雛雫霞靄靖鞄鞍鞘鞠鞭韓頁頃頌頓頗頰顎顚颯饗馨馬馳馴駕駒駿驍驕髙魁魅魯鮎鮮鮭鯉鯖鯛鯵鰐鰯鱒鳩鳳鳶鴨鴻鵜鵬鶏鶴鷗鷲鷹鷺鸞麒麓麗麟麥麿黎黛黝默黨"
    "齊齋龍龜﨑﨟濵濱濬灣國圓圖團學寬寶將專對尙屆峯嶋嶌巢帶廳彈從德恆悅惡惱戰戲戶拂拔拜敍敎數斷晉曉曆會條來榮樂樣橫檢櫻權步歷歸殘每氣沒泉洗淚淨淺渴渡溪溫滿澁澤濕煙燒燈狹獨獵珍瓶畫當疊發盜眞硏碎祕祿福稅"
    "穗突竊粹精紅純綠綱緒緣縣縱總繼續纖缺羽翁翻聰聲聽肅脫臟與舊舍莊藏藝藥蟲衆衞裝裏覺覽觀訓證譯譽讀變讓貳賣賴贊輕轉辨辯遞遲邊郞都鄕醉釀鈴錄錢鍊鎭鐵鑛關陷隆險隱雙雜靈靑靜響顏顯飯餘驅驗髮鬪鷄鹽麵黃黑點齒"
)


def characters(*ranges: tuple[int, int]) -> set[int]:
    """All code points in these ranges, ends included."""
    return {code for first, last in ranges for code in range(first, last + 1)}


def japanese() -> set[int]:
    """Kana, punctuation, full-width forms, JIS level 1 and OTHER_KANJI."""
    found = characters((0x3000, 0x30FF), (0x31F0, 0x31FF), (0xFF01, 0xFF9F), (0xFFE0, 0xFFE6))
    for row in range(1, 48):
        for cell in range(1, 95):
            try:
                found.add(ord(bytes([row + 0xA0, cell + 0xA0]).decode("euc_jp")))
            except UnicodeDecodeError:
                continue
    return found | set(map(ord, OTHER_KANJI))


def of_wording() -> set[int]:
    """What the receipts' own words in Japanese hold."""
    words = tomllib.loads((HERE.parent / "wording.toml").read_text(encoding="utf-8"))
    return {ord(letter) for said in words.values() for letter in said["ja"]}


def cut(source: Path, target: str, wanted: Iterable[int], face: int = -1) -> None:
    """Write the part of a font that has these code points, with the layout rules that they need."""
    options = subset.Options()
    options.hinting = False
    options.layout_features = ["*"] if face < 0 else ["ccmp", "locl", "kern"]
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 7, 13, 14]
    options.drop_tables += ["vhea", "vmtx", "VORG", "BASE", "meta", "DSIG"]
    options.recalc_timestamp = False
    font = TTFont(source, fontNumber=face, recalcTimestamp=False)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=set(wanted))
    cutter.subset(font)
    font.save(HERE / target)


def main() -> None:
    """Make them all."""
    latin = characters(*LATIN, *SIGNS)
    cut(NOTO / "NotoSans-Regular.ttf", "latin.ttf", latin | characters(*GREEK_AND_CYRILLIC))
    cut(NOTO / "NotoSans-Bold.ttf", "latin-bold.ttf", characters((0x20, 0x17F), (0x2000, 0x206F), (0xFFFD, 0xFFFD)))
    for name, script in (("Thai", THAI), ("Lao", LAO)):
        for weight, end in (("Regular", ""), ("Bold", "-bold")):
            cut(NOTO / f"NotoSans{name}-{weight}.ttf", f"{name.lower()}{end}.ttf", characters(*script, *JOINERS))
    cut(CJK / "NotoSansCJK-Regular.ttc", "japanese.otf", japanese(), JAPANESE_FACE)
    cut(CJK / "NotoSansCJK-Bold.ttc", "japanese-bold.otf", of_wording(), JAPANESE_FACE)


if __name__ == "__main__":
    main()
