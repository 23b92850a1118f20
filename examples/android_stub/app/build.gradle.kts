plugins {
    alias(libs.plugins.android.application)
}

android {
    namespace = "org.example.recpress.demo"
    compileSdk = libs.versions.compileSdk.get().toInt()

    defaultConfig {
        applicationId = "org.example.recpress.demo"
        minSdk = libs.versions.minSdk.get().toInt()
        targetSdk = libs.versions.targetSdk.get().toInt()
        versionCode = 1
        versionName = "0.1"
        ndk {
            abiFilters += listOf("arm64-v8a", "x86_64") // phones, and the emulator
        }
    }

    compileOptions {
        val version = JavaVersion.toVersion(libs.versions.java.get())
        sourceCompatibility = version
        targetCompatibility = version
    }

    androidResources {
        noCompress += listOf("onnx", "npz") // int8 tables hardly shrink, and are copied faster
    }
}

dependencies {
    implementation(project(":core"))
    implementation(libs.onnxruntime.android)
}
